"""Image denoising: descends sqrt(eps + |grad u|^2) + lam (u - f)^2/2, f the noisy image.

Edges stay, ripples go; the mean of u relaxes to that of f at the rate lam.

Reference: L. I. Rudin, S. Osher, E. Fatemi (1992), Nonlinear total variation based noise removal algorithms.
"""

import sympy as sp

from metrigen import Dissipation, ExplicitEuler, Field, Input, Lattice, Param, System, energy_density, grad

x, y = sp.symbols("x y", real=True)
grid = Lattice(x, y, boundary="neumann")
u, f = Field("u", grid), Input("f", grid)
lam = Param("lam", per="channel", positive=True, init=0.5)
eps = Param("eps", positive=True, init=0.1)

system = System(
    name="total_variation",
    domain=grid,
    fields=(u,),
    hamiltonian=sp.sqrt(eps + grad(u).square) + lam * (u - f) ** 2 / 2,
    metric=Dissipation((1, lambda F: F[u])),
    integrator=ExplicitEuler(steps=8, dt=0.05),
    readout=energy_density(),
)
