"""Ground that is heated at its surface by day and cools by night: u_t = kappa u_xx + s, s handed in for every step.

Below a surface with the period 2 pi/w the temperature falls as exp(-x/d), d = sqrt(2 kappa/w), and lags by x/d.

Reference: J. Fourier (1822), Theorie analytique de la chaleur.
"""

import sympy as sp

from metrigen import RK4, Dissipation, Field, Input, Lattice, Param, System, energy_density, grad

x = sp.Symbol("x", real=True)
ground = Lattice(x, boundary="neumann")
u = Field("u", ground)
s = Input("s", ground, time_dependent=True)
kappa = Param("kappa", per="channel", positive=True, init=1.0)

system = System(
    name="ground_heat",
    domain=ground,
    fields=(u,),
    hamiltonian=kappa * grad(u).square / 2 - s * u,
    metric=Dissipation((1, lambda F: F[u])),
    integrator=RK4(steps=8, dt=0.1),
    readout=energy_density(),
)
