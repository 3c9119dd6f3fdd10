"""Heat conduction u_t = div(kappa grad u): descends int u^2/2 and keeps int u.

A mode of wave number k decays as exp(-kappa k^2 t).

Reference: J. Fourier (1822), Theorie analytique de la chaleur.
"""

import sympy as sp

from metrigen import ExplicitEuler, Field, Lattice, Param, System, diffusion, energy_density

x, y = sp.symbols("x y", real=True)
grid = Lattice(x, y)
u = Field("u", grid)
kappa = Param("kappa", per="channel", positive=True, init=1.0)

system = System(
    name="heat",
    domain=grid,
    fields=(u,),
    hamiltonian=u**2 / 2,
    metric=diffusion(kappa, u),
    integrator=ExplicitEuler(steps=8, dt=0.1),
    readout=energy_density(),
)
