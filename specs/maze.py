"""Screened Poisson field on a walled lattice: the dissipative branch alone.

F[u] = int kappa |grad u|^2 / 2 + m2 u^2 / 2 - s u relaxes to its minimum, (m2 - div kappa grad) u = s. Conductivity
kappa, screening m2 and source s are configured by the input; no flux crosses the border. Edges take the harmonic
mean of kappa, so that a wall (kappa near 0) is closed.
"""

import sympy as sp

from metrigen import Dissipation, Field, Input, Lattice, SteadyState, System, grad, stress_energy

x, y = sp.symbols("x y", real=True)
grid = Lattice(x, y, boundary="neumann", average="harmonic")

u = Field("u", grid)
kappa = Input("kappa", grid, positive=True)
m2 = Input("m2", grid, positive=True)
s = Input("s", grid)

system = System(
    name="maze",
    domain=grid,
    fields=(u,),
    hamiltonian=kappa * grad(u).square / 2 + m2 * u**2 / 2 - s * u,
    metric=Dissipation((1, lambda F: F[u])),
    integrator=SteadyState(solver="cg", rtol=1e-6, atol=0.0, max_iter=4000),
    readout=stress_energy(),
)
