"""Predator and prey: u' = u (a - b v), v' = v (d u - c), with the Poisson bracket {u, v} = u v.

H = a log v - b v + c log u - d u is conserved, so every orbit is closed.

Reference: Y. Nutku (1990), Hamiltonian structure of the Lotka-Volterra equations.
"""

import sympy as sp

from metrigen import RK4, Lattice, Param, System, energy_density, t

point = Lattice()
u, v = (sp.Function(name, positive=True)(t) for name in ("u", "v"))
a, b, c, d = (Param(name, per="channel", positive=True, init=1.0) for name in ("a", "b", "c", "d"))

system = System(
    name="lotka_volterra",
    domain=point,
    fields=(u, v),
    hamiltonian=a * sp.log(v) - b * v + c * sp.log(u) - d * u,
    bracket=lambda F, G: u * v * (F[u] * G[v] - F[v] * G[u]),
    integrator=RK4(steps=8, dt=0.05),
    readout=energy_density(),
)
