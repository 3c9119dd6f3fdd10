"""Korteweg-de Vries equation u_t + 6 u u_x + u_xxx = 0 with its first bracket, J = d/dx.

The soliton is u = (c/2) sech^2(sqrt(c) (x - c t)/2); int u is a Casimir.

Reference: C. S. Gardner (1971), Korteweg-de Vries equation and generalizations. IV. The Korteweg-de Vries equation as
a Hamiltonian system.
"""

import sympy as sp

from metrigen import RK4, Field, Lattice, System, energy_density

x = sp.Symbol("x", real=True)
line = Lattice(x, spacing=sp.Rational(1, 4))
u = Field("u", line)

system = System(
    name="kdv",
    domain=line,
    fields=(u,),
    hamiltonian=u.diff(x) ** 2 / 2 - u**3,
    bracket=lambda F, G: F[u] * G[u].diff(x),
    integrator=RK4(steps=8, dt=0.01),
    readout=energy_density(),
)
