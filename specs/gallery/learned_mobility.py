"""A phase field whose mobility is learned: u_t = div(M(u) grad mu), mu = u^3 - u - eps lap u, mass conserved.

The mobility is the softplus of a torch module, hence positive: the free energy falls for every module that is given.

Reference: J. W. Cahn, C. M. Elliott, A. Novick-Cohen (1996), The Cahn-Hilliard equation with a concentration dependent
mobility.
"""

import sympy as sp

from metrigen import ExplicitEuler, Field, Lattice, NeuralFunction, Param, System, diffusion, energy_density, grad

x, y = sp.symbols("x y", real=True)
grid = Lattice(x, y)
u = Field("u", grid)
eps = Param("eps", per="channel", positive=True, init=1.0)
M = NeuralFunction("M", u, positive=True)

system = System(
    name="learned_mobility",
    domain=grid,
    fields=(u,),
    hamiltonian=eps * grad(u).square / 2 + (u**2 - 1) ** 2 / 4,
    metric=diffusion(M, u),
    integrator=ExplicitEuler(steps=8, dt=0.01),
    readout=energy_density(),
)
