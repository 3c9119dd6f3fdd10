"""Pendulum with friction and a torque: q'' = -w2 sin q - gamma q' + A cos(w t); periodic or chaotic.

With q(t) also -q(t + pi/w) is a solution; phase-space volume shrinks as exp(-gamma t), along chaotic orbits too.

Reference: G. L. Baker, J. P. Gollub (1996), Chaotic Dynamics: an Introduction.
"""

import sympy as sp

from metrigen import Field, Lattice, Param, Strang, System, energy_density, friction, momentum, t

point = Lattice()
q = Field("q", point)
w2 = Param("w2", per="channel", positive=True, init=1.0)
gamma = Param("gamma", per="channel", nonnegative=True, init=0.5)
A = Param("A", per="channel", init=1.5)
w = Param("w", per="channel", positive=True, init=2 / 3)

system = System(
    name="driven_pendulum",
    domain=point,
    lagrangian=q.diff(t) ** 2 / 2 + w2 * sp.cos(q) + A * sp.cos(w * t) * q,
    metric=friction(gamma, momentum(q)),
    integrator=Strang(steps=8, dt=0.1),
    readout=energy_density(),
)
