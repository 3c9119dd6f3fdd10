"""Phase oscillators on a network: theta_i' = omega_i + sum_j K_ij sin(theta_j - theta_i).

They descend F = -sum omega_i theta_i - sum over edges of K cos(theta_i - theta_j).

References: Y. Kuramoto (1975), Self-entrainment of a population of coupled non-linear oscillators; F. A. Rodrigues et
al. (2016), The Kuramoto model in complex networks.
"""

import sympy as sp

from metrigen import RK4, Dissipation, Field, Graph, Input, Param, System, energy_density, grad

graph = Graph()
theta, omega = Field("theta", graph), Input("omega", graph)
K = Param("K", per="edge", nonnegative=True, init=1.0)

system = System(
    name="graph_kuramoto",
    domain=graph,
    fields=(theta,),
    hamiltonian=-omega * theta - K * sp.cos(grad(theta)[0]),
    metric=Dissipation((1, lambda F: F[theta])),
    integrator=RK4(steps=8, dt=0.05),
    readout=energy_density(),
)
