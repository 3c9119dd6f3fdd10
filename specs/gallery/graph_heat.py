"""Bodies that exchange heat along the edges of a graph: e' = B^T kappa B (1/T), entropy sum c log e, T = e/c.

The energy sum e is constant, edge by edge; the entropy grows until all temperatures are equal.

Reference: H. C. Oettinger (2005), Beyond Equilibrium Thermodynamics.
"""

import sympy as sp

from metrigen import RK4, Dissipation, Graph, Param, System, energy_density, grad, t

graph = Graph()
e = sp.Function("e", positive=True)(t, graph.node)
c = Param("c", per="site", positive=True, init=1.0)
kappa = Param("kappa", per="edge", nonnegative=True, init=1.0)

system = System(
    name="graph_heat",
    domain=graph,
    fields=(e,),
    hamiltonian=e,
    entropy=c * sp.log(e),
    metric=Dissipation((kappa, lambda F: grad(F[e])[0])),
    integrator=RK4(steps=8, dt=0.05),
    readout=energy_density(),
)
