"""Order parameter of an alloy: u_t = eps lap u + u - u^3, descending its free energy.

At rest a flat wall between the phases is tanh(x / sqrt(2 eps)).

Reference: S. M. Allen, J. W. Cahn (1979), A microscopic theory for antiphase boundary motion and its application to
antiphase domain coarsening.
"""

import sympy as sp

from metrigen import Dissipation, ExplicitEuler, Field, Lattice, Param, System, energy_density, grad

x, y = sp.symbols("x y", real=True)
grid = Lattice(x, y, boundary="neumann")
u = Field("u", grid)
eps = Param("eps", per="channel", positive=True, init=1.0)

system = System(
    name="allen_cahn",
    domain=grid,
    fields=(u,),
    hamiltonian=eps * grad(u).square / 2 + (u**2 - 1) ** 2 / 4,
    metric=Dissipation((1, lambda F: F[u])),
    integrator=ExplicitEuler(steps=8, dt=0.1),
    readout=energy_density(),
)
