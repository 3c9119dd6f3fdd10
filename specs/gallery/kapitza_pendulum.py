"""Pendulum whose pivot shakes up and down: q'' = -(g - a w^2 cos(w t)) sin q, the rod of length one.

A fast pivot, w^2 >> g, adds the potential (a w sin q)^2 / 4: upright is stable for (a w)^2 > 2 g, and small swings
about it have the frequency sqrt((a w)^2 / 2 - g).

Reference: P. L. Kapitza (1951), Dynamic stability of a pendulum with an oscillating point of suspension.
"""

import sympy as sp

from metrigen import Field, Lattice, Leapfrog, Param, System, energy_density, t

point = Lattice()
q = Field("q", point)
g = Param("g", per="channel", positive=True, init=1.0)
a = Param("a", per="channel", init=0.1)
w = Param("w", per="channel", positive=True, init=20.0)

system = System(
    name="kapitza_pendulum",
    domain=point,
    lagrangian=q.diff(t) ** 2 / 2 + (g - a * w**2 * sp.cos(w * t)) * sp.cos(q),
    integrator=Leapfrog(steps=8, dt=0.01),
    readout=energy_density(),
)
