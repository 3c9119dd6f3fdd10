"""Electromagnetic field in the plane, E in it and B across: E_t = curl B, B_t = -curl E with the Maxwell bracket.

div E is a Casimir density; plane waves run at the speed of light, one.

Reference: J. E. Marsden, A. Weinstein (1982), The Hamiltonian structure of the Maxwell-Vlasov equations.
"""

import sympy as sp

from metrigen import RK4, Field, Lattice, System, energy_density

x, y = sp.symbols("x y", real=True)
grid = Lattice(x, y)
E1, E2, B = (Field(name, grid) for name in ("E1", "E2", "B"))


def half(F, G):
    return F[E1] * G[B].diff(y) - F[E2] * G[B].diff(x)


system = System(
    name="maxwell",
    domain=grid,
    fields=(E1, E2, B),
    hamiltonian=(E1**2 + E2**2 + B**2) / 2,
    bracket=lambda F, G: half(F, G) - half(G, F),
    integrator=RK4(steps=8, dt=0.1),
    readout=energy_density(),
)
