"""Friction from a Lagrangian that grows: L = exp(gamma t) (q'^2 - w2 q^2)/2, so q'' = -gamma q' - w2 q.

The momentum is p = exp(gamma t) q', and {q, p} = 1 at all times: the volume in (q, p) is constant, that in (q, q')
shrinks as exp(-gamma t).

References: P. Caldirola (1941), Forze non conservative nella meccanica quantistica; E. Kanai (1948).
"""

import sympy as sp

from metrigen import Field, Lattice, Leapfrog, Param, System, energy_density, t

point = Lattice()
q = Field("q", point)
w2 = Param("w2", per="channel", positive=True, init=1.0)
gamma = Param("gamma", per="channel", nonnegative=True, init=0.3)

system = System(
    name="caldirola_kanai",
    domain=point,
    lagrangian=sp.exp(gamma * t) * (q.diff(t) ** 2 - w2 * q**2) / 2,
    integrator=Leapfrog(steps=8, dt=0.1),
    readout=energy_density(),
)
