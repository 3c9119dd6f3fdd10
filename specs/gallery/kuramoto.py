"""Phase oscillators, one a channel, all coupled to all: theta_i' = omega_i + K sum_j sin(theta_j - theta_i).

It descends F = -sum omega_i theta_i - K/2 ((sum cos theta)^2 + (sum sin theta)^2). Two oscillators lock where
sin(theta_1 - theta_2) = (omega_1 - omega_2) / (2 K).

References: Y. Kuramoto (1975), Self-entrainment of a population of coupled non-linear oscillators; J. L. van Hemmen,
W. F. Wreszinski (1993), Lyapunov function for the Kuramoto model of nonlinearly coupled oscillators.
"""

import sympy as sp

from metrigen import RK4, Dissipation, Field, Lattice, Param, System, energy_density, total

point = Lattice()
theta = Field("theta", point)
omega, K = Param("omega", per="channel"), Param("K", positive=True, init=1.0)

system = System(
    name="kuramoto",
    domain=point,
    fields=(theta,),
    hamiltonian=-omega * theta - K * (sp.cos(theta) * total(sp.cos(theta)) + sp.sin(theta) * total(sp.sin(theta))) / 2,
    metric=Dissipation((1, lambda F: F[theta])),
    integrator=RK4(steps=8, dt=0.05),
    readout=energy_density(),
)
