"""Masses on springs of any network: q_i'' = sum_j k_ij (q_j - q_i) - a q_i, a wave equation on a graph.

The energy of a spring is shared by its ends and flows along it at the rate -k (p_i + p_j)/2 (B q)_e.

Reference: J. W. S. Rayleigh (1877), The Theory of Sound, chapter IV.
"""

from metrigen import Field, Graph, Leapfrog, Param, System, energy_density, grad, t

graph = Graph()
q = Field("q", graph)
k = Param("k", per="edge", nonnegative=True, init=1.0)
a = Param("a", per="site", nonnegative=True, init=0.1)

system = System(
    name="spring_network",
    domain=graph,
    lagrangian=q.diff(t) ** 2 / 2 - k * grad(q).square / 2 - a * q**2 / 2,
    integrator=Leapfrog(steps=8, dt=0.05),
    readout=energy_density(),
)
