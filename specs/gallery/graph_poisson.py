"""Screened Poisson equation of a graph: (B^T w B + m2) phi = s, the minimum of its energy.

A source spreads along the edges and is screened at the nodes: on a path of equal weights phi falls off as z^n with
z + 1/z = 2 + m2/w. The nodes of a Sudoku and its couplings are such a graph.

Reference: F. Chung, S.-T. Yau (2000), Discrete Green's functions.
"""

from metrigen import Dissipation, Field, Graph, Input, Param, SteadyState, System, energy_density, grad

graph = Graph()
phi, s = Field("phi", graph), Input("s", graph)
w = Input("w", graph.edges, nonnegative=True)
m2 = Param("m2", per="channel", positive=True, init=0.1)

system = System(
    name="graph_poisson",
    domain=graph,
    fields=(phi,),
    hamiltonian=w * grad(phi).square / 2 + m2 * phi**2 / 2 - s * phi,
    metric=Dissipation((1, lambda F: F[phi])),
    integrator=SteadyState(solver="cg", rtol=1e-8, max_iter=400),
    readout=energy_density(),
)
