"""Diffusion on a graph: u' = -B^T w B u, the gradient flow of u^2/2 in the metric of the edges.

The flow w (B u)_e leaves one end of an edge and enters the other, so the sum of u is constant; each component of the
graph tends to its mean. B^T w B is the weighted Laplacian of the graph.

Reference: M. Fiedler (1973), Algebraic connectivity of graphs.
"""

from metrigen import RK4, Dissipation, Field, Graph, Param, System, energy_density, grad

graph = Graph()
u = Field("u", graph)
w = Param("w", per="edge", nonnegative=True, init=1.0)

system = System(
    name="graph_diffusion",
    domain=graph,
    fields=(u,),
    hamiltonian=u**2 / 2,
    metric=Dissipation((w, lambda F: grad(F[u])[0])),
    integrator=RK4(steps=8, dt=0.05),
    readout=energy_density(),
)
