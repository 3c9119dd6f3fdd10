"""Diffusion on a graph with sources that change: u' = -w B^T B u - m u + s, s handed in for every step.

A mode of eigenvalue e of the Laplacian answers to cos(f t) with the gain 1 / sqrt((w e + m)^2 + f^2) and the phase
-arctan(f / (w e + m)).

Reference: D. I. Shuman et al. (2013), The emerging field of signal processing on graphs.
"""

from metrigen import RK4, Dissipation, Field, Graph, Input, Param, System, energy_density, grad

graph = Graph()
u = Field("u", graph)
s = Input("s", graph, time_dependent=True)
w = Param("w", per="channel", nonnegative=True, init=1.0)
m = Param("m", per="channel", nonnegative=True, init=0.1)

system = System(
    name="driven_graph",
    domain=graph,
    fields=(u,),
    hamiltonian=w * grad(u).square / 2 + m * u**2 / 2 - s * u,
    metric=Dissipation((1, lambda F: F[u])),
    integrator=RK4(steps=8, dt=0.05),
    readout=energy_density(),
)
