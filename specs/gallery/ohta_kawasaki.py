"""Diblock copolymers: u_t = lap(u^3 - u - eps lap u) - sigma (u - mean), Cahn-Hilliard with a long-range repulsion.

The repulsion is the energy sigma |grad phi|^2/2 of the potential -lap phi = u - mean; dF/du holds sigma phi. About
u = mean = 0 a mode of wave number k grows at the rate k^2 (1 - eps k^2) - sigma: stripes of a finite width.

Reference: T. Ohta, K. Kawasaki (1986), Equilibrium morphology of block copolymer melts.
"""

import sympy as sp

from metrigen import ExplicitEuler, Field, Lattice, Param, System, diffusion, energy_density, grad

x, y = sp.symbols("x y", real=True)
plane = Lattice(x, y)
u, phi = Field("u", plane), Field("phi", plane)
eps = Param("eps", per="channel", positive=True, init=1.0)
sigma = Param("sigma", per="channel", nonnegative=True, init=0.1)
mean = Param("mean", per="channel", init=0.0)

system = System(
    name="ohta_kawasaki",
    domain=plane,
    fields=(u,),
    hamiltonian=eps * grad(u).square / 2 + (u**2 - 1) ** 2 / 4 + sigma * grad(phi).square / 2,
    constraints={phi: phi.diff(x, 2) + phi.diff(y, 2) + u - mean},
    metric=diffusion(1, u),
    integrator=ExplicitEuler(steps=8, dt=0.01),
    readout=energy_density(),
)
