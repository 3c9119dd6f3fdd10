"""Modified Korteweg-de Vries equation u_t + 6 u^2 u_x + u_xxx = 0, with the soliton sqrt(c) sech(sqrt(c) (x - c t)).

Reference: R. M. Miura (1968), Korteweg-de Vries equation and generalizations. I. A remarkable explicit nonlinear
transformation.
"""

import sympy as sp

from metrigen import RK4, Field, Lattice, System, energy_density

x = sp.Symbol("x", real=True)
line = Lattice(x, spacing=sp.Rational(1, 4))
u = Field("u", line)

system = System(
    name="mkdv",
    domain=line,
    fields=(u,),
    hamiltonian=u.diff(x) ** 2 / 2 - u**4 / 2,
    bracket=lambda F, G: F[u] * G[u].diff(x),
    integrator=RK4(steps=8, dt=0.01),
    readout=energy_density(),
)
