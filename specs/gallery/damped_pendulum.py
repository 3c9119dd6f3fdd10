"""Pendulum with friction: q'' = -w2 sin q - gamma q'.

The energy falls at the rate gamma q'^2 and phase-space volume shrinks as exp(-gamma t), which the splitting keeps
exactly.

Reference: S. H. Strogatz (1994), Nonlinear Dynamics and Chaos, section 6.7.
"""

import sympy as sp

from metrigen import Field, Lattice, Param, Strang, System, energy_density, friction, momentum, t

point = Lattice()
q = Field("q", point)
w2 = Param("w2", per="channel", positive=True, init=1.0)
gamma = Param("gamma", per="channel", nonnegative=True, init=0.2)

system = System(
    name="damped_pendulum",
    domain=point,
    lagrangian=q.diff(t) ** 2 / 2 - w2 * (1 - sp.cos(q)),
    metric=friction(gamma, momentum(q)),
    integrator=Strang(steps=8, dt=0.1),
    readout=energy_density(),
)
