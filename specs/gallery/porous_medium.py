"""Gas in a porous medium u_t = (u^2)_xx, the gradient flow of int u^2 in the metric of mass transport.

The source solution of Barenblatt is t^(-1/3) max(c - x^2 t^(-2/3)/12, 0).

Reference: F. Otto (2001), The geometry of dissipative evolution equations: the porous medium equation.
"""

import sympy as sp

from metrigen import ExplicitEuler, Lattice, System, diffusion, energy_density, t

x = sp.Symbol("x", real=True)
line = Lattice(x, boundary="neumann")
u = sp.Function("u", nonnegative=True)(t, x)

system = System(
    name="porous_medium",
    domain=line,
    fields=(u,),
    hamiltonian=u**2,
    metric=diffusion(u, u),
    integrator=ExplicitEuler(steps=8, dt=0.1),
    readout=energy_density(),
)
