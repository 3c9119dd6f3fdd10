"""Classical Heisenberg ferromagnet in one dimension, S_t = J S x S_xx: the equation of Landau and Lifshitz.

The Lie-Poisson bracket {F, G} = S . (dF x dG) turns every spin, so its length is kept, and H = J |S_x|^2/2 is
quadratic: the implicit midpoint rule keeps the length of every spin and the energy, both to rounding.

Reference: M. Lakshmanan (2011), The fascinating world of the Landau-Lifshitz-Gilbert equation: an overview.
"""

import sympy as sp

from metrigen import Field, ImplicitMidpoint, Lattice, Param, System, energy_density

x = sp.Symbol("x", real=True)
line = Lattice(x, boundary="periodic")
S = [Field(f"S{i}", line) for i in (1, 2, 3)]
J = Param("J", per="channel", positive=True, init=1.0)


def spins(F, G):
    return sp.Matrix(S).dot(sp.Matrix([F[u] for u in S]).cross(sp.Matrix([G[u] for u in S])))


system = System(
    name="heisenberg_chain",
    domain=line,
    fields=tuple(S),
    hamiltonian=sum(J * u.diff(x) ** 2 / 2 for u in S),
    bracket=spins,
    integrator=ImplicitMidpoint(steps=4, dt=0.1),
    readout=energy_density(),
)
