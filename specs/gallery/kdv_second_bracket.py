"""Korteweg-de Vries equation with its second bracket, J = -(D^3 + 4 u D + 2 u_x), and H = int u^2/2.

The coefficients depend on the state, and the Jacobi identity is that of the Virasoro algebra. The emitted stencil is
skew and keeps H.

Reference: F. Magri (1978), A simple model of the integrable Hamiltonian equation.
"""

import sympy as sp

from metrigen import RK4, Field, Lattice, System, energy_density

x = sp.Symbol("x", real=True)
line = Lattice(x, spacing=sp.Rational(1, 4))
u = Field("u", line)

system = System(
    name="kdv_second_bracket",
    domain=line,
    fields=(u,),
    hamiltonian=u**2 / 2,
    bracket=lambda F, G: -F[u] * (G[u].diff(x, 3) + 4 * u * G[u].diff(x) + 2 * u.diff(x) * G[u]),
    integrator=RK4(steps=8, dt=0.01),
    readout=energy_density(),
)
