"""Screened Poisson equation (m2 - div kappa grad) u = s on an insulated lattice, solved by conjugate gradients.

Edges take the harmonic mean of kappa.
"""

import sympy as sp

from metrigen import Dissipation, Field, Input, Lattice, SteadyState, System, grad

x, y = sp.symbols("x y", real=True)
grid = Lattice(x, y, boundary="neumann", average="harmonic")

u = Field("u", grid)
kappa = Input("kappa", grid, positive=True)
m2 = Input("m2", grid, positive=True)
s = Input("s", grid)

system = System(
    name="poisson",
    domain=grid,
    fields=(u,),
    hamiltonian=kappa * grad(u).square / 2 + m2 * u**2 / 2 - s * u,
    metric=Dissipation((1, lambda F: F[u])),
    integrator=SteadyState(solver="cg", rtol=1e-6, atol=0.0, max_iter=4000),
)
