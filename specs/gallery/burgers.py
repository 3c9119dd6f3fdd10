"""Inviscid Burgers equation u_t = -u u_x with the bracket J = -(2 u D + u_x)/3 and H = int u^2/2.

Until characteristics cross, u(x, t) = u0(x - u t). The emitted stencil is the split form that keeps H.

Reference: P. J. Olver, Y. Nutku (1988), Hamiltonian structures for systems of hyperbolic conservation laws.
"""

import sympy as sp

from metrigen import RK4, Field, Lattice, System, energy_density

x = sp.Symbol("x", real=True)
line = Lattice(x)
u = Field("u", line)

system = System(
    name="burgers",
    domain=line,
    fields=(u,),
    hamiltonian=u**2 / 2,
    bracket=lambda F, G: -F[u] * (2 * u * G[u].diff(x) + u.diff(x) * G[u]) / 3,
    integrator=RK4(steps=8, dt=0.1),
    readout=energy_density(),
)
