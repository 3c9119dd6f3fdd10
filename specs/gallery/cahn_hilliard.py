"""Separation of two phases: u_t = lap(u^3 - u - eps lap u), descending the free energy at constant mass.

About u = 0 a mode of wave number k grows at the rate k^2 (1 - eps k^2).

Reference: J. W. Cahn, J. E. Hilliard (1958), Free energy of a nonuniform system. I. Interfacial free energy.
"""

import sympy as sp

from metrigen import ExplicitEuler, Field, Lattice, Param, System, diffusion, energy_density, grad

x, y = sp.symbols("x y", real=True)
grid = Lattice(x, y)
u = Field("u", grid)
eps = Param("eps", per="channel", positive=True, init=1.0)
mobility = Param("mobility", per="channel", positive=True, init=1.0)

system = System(
    name="cahn_hilliard",
    domain=grid,
    fields=(u,),
    hamiltonian=eps * grad(u).square / 2 + (u**2 - 1) ** 2 / 4,
    metric=diffusion(mobility, u),
    integrator=ExplicitEuler(steps=8, dt=0.01),
    readout=energy_density(),
)
