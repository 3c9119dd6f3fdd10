"""Toda lattice: particles with springs V(r) = exp(-r) + r - 1, r the difference of neighbours.

On a lattice of spacing one the emitted equations are those of Toda, with the exact soliton
exp(-r_n) - 1 = b^2 sech^2(k n - b t), b = sinh(k).

Reference: M. Toda (1967), Vibration of a chain with nonlinear interaction.
"""

import sympy as sp

from metrigen import Field, Lattice, Leapfrog, System, energy_density, t

x = sp.Symbol("x", real=True)
chain = Lattice(x, boundary="neumann")
q = Field("q", chain)

system = System(
    name="toda_lattice",
    domain=chain,
    lagrangian=q.diff(t) ** 2 / 2 - sp.exp(-q.diff(x)) - q.diff(x) + 1,
    integrator=Leapfrog(steps=8, dt=0.05),
    readout=energy_density(),
)
