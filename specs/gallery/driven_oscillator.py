"""Driven oscillator with friction: q'' = -w2 q - gamma q' + A cos(w t).

After the transient q = A cos(w t - d) / sqrt((w2 - w^2)^2 + (gamma w)^2) with tan d = gamma w / (w2 - w^2).

Reference: L. D. Landau, E. M. Lifshitz (1976), Mechanics, section 26.
"""

import sympy as sp

from metrigen import Field, Lattice, Param, Strang, System, energy_density, friction, momentum, t

point = Lattice()
q = Field("q", point)
w2 = Param("w2", per="channel", positive=True, init=1.0)
gamma = Param("gamma", per="channel", nonnegative=True, init=0.2)
A = Param("A", per="channel", init=1.0)
w = Param("w", per="channel", positive=True, init=1.0)

system = System(
    name="driven_oscillator",
    domain=point,
    lagrangian=q.diff(t) ** 2 / 2 - w2 * q**2 / 2 + A * sp.cos(w * t) * q,
    metric=friction(gamma, momentum(q)),
    integrator=Strang(steps=8, dt=0.1),
    readout=energy_density(),
)
