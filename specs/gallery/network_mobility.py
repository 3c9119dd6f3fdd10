"""A phase field whose mobility a small network learns: u_t = div(M(u) grad mu), mu = u^3 - u - eps lap u.

As learned_mobility, but the network is declared. The mobility is its softplus, hence positive: mass is conserved and
the free energy falls for every value of the weights.

Reference: J. W. Cahn, C. M. Elliott, A. Novick-Cohen (1996), The Cahn-Hilliard equation with a concentration dependent
mobility.
"""

import sympy as sp

from metrigen import ExplicitEuler, Field, Lattice, NeuralFunction, Param, System, diffusion, energy_density, grad

x, y = sp.symbols("x y", real=True)
grid = Lattice(x, y)
u = Field("u", grid)
eps = Param("eps", per="channel", positive=True, init=1.0)
M = NeuralFunction("M", u, hidden=(16,), per="shared", positive=True)

system = System(
    name="network_mobility",
    domain=grid,
    fields=(u,),
    hamiltonian=eps * grad(u).square / 2 + (u**2 - 1) ** 2 / 4,
    metric=diffusion(M, u),
    integrator=ExplicitEuler(steps=8, dt=0.01),
    readout=energy_density(),
)
