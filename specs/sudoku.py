"""Screened Poisson field on a learned graph of cells: the dissipative branch alone.

F[phi] = sum over edges of w (phi_i - phi_j)^2 / 2 + sum over cells of m2 (phi - s)^2 / 2 relaxes to its minimum,
(B^T w B + m2) phi = m2 s. The input sets the clues s; couplings w of all pairs of cells and screening m2 are learned,
one graph a channel. phi averages the clues over the graph, each weight by what couples it; the maximum principle keeps
it between the smallest and the largest clue. The readout is the energy of every cell: how much it disagrees with its
clue and its neighbours.
"""

from metrigen import Dissipation, Field, Graph, Input, Param, SteadyState, System, energy_density, grad

cells = Graph()
phi, s = Field("phi", cells), Input("s", cells)
w = Input("w", cells.edges, nonnegative=True)
m2 = Param("m2", per="channel", positive=True, init=1.0)

system = System(
    name="sudoku",
    domain=cells,
    fields=(phi,),
    hamiltonian=w * grad(phi).square / 2 + m2 * (phi - s) ** 2 / 2,
    metric=Dissipation((1, lambda F: F[phi])),
    integrator=SteadyState(solver="cg", rtol=1e-6, max_iter=1000),
    readout=energy_density(),
)
