"""Deterministic part of underdamped Langevin dynamics in a double well: q' = p/m, p' = -V'(q) - gamma p/m.

With noise of strength 2 gamma kT it samples exp(-H/kT); without, it comes to rest at a minimum q = -+1.

Reference: G. A. Pavliotis (2014), Stochastic Processes and Applications, chapter 6.
"""

from metrigen import Field, Lattice, Param, Strang, System, energy_density, friction, momentum, t

point = Lattice()
q = Field("q", point)
m = Param("m", per="channel", positive=True, init=1.0)
gamma = Param("gamma", per="channel", nonnegative=True, init=0.5)

system = System(
    name="langevin",
    domain=point,
    lagrangian=m * q.diff(t) ** 2 / 2 - (q**2 - 1) ** 2 / 4,
    metric=friction(gamma, momentum(q)),
    integrator=Strang(steps=8, dt=0.1),
    readout=energy_density(),
)
