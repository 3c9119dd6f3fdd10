"""Real Ginzburg-Landau equation A_t = lap A + A - |A|^2 A for the amplitude A = a + i b of a pattern.

Phase winding states sqrt(1 - k^2) exp(i k x) are at rest.

Reference: I. S. Aranson, L. Kramer (2002), The world of the complex Ginzburg-Landau equation.
"""

import sympy as sp

from metrigen import Dissipation, ExplicitEuler, Field, Lattice, System, energy_density, grad

x, y = sp.symbols("x y", real=True)
grid = Lattice(x, y)
a, b = Field("a", grid), Field("b", grid)

system = System(
    name="ginzburg_landau",
    domain=grid,
    fields=(a, b),
    hamiltonian=(grad(a).square + grad(b).square) / 2 + (a**2 + b**2 - 1) ** 2 / 4,
    metric=Dissipation((1, lambda F: F[a]), (1, lambda F: F[b])),
    integrator=ExplicitEuler(steps=8, dt=0.1),
    readout=energy_density(),
)
