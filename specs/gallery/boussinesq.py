"""The good Boussinesq equation u_tt = u_xx - u_xxxx + (u^2)_xx as a first-order pair: u_t = v_x, v_t = (dH/du)_x.

Small waves have w^2 = k^2 + k^4; int u and int v are Casimirs.

Reference: H. P. McKean (1981), Boussinesq's equation on the circle.
"""

import sympy as sp

from metrigen import RK4, Field, Lattice, System, energy_density

x = sp.Symbol("x", real=True)
line = Lattice(x)
u, v = Field("u", line), Field("v", line)

system = System(
    name="boussinesq",
    domain=line,
    fields=(u, v),
    hamiltonian=v**2 / 2 + u**2 / 2 + u.diff(x) ** 2 / 2 + u**3 / 3,
    bracket=lambda F, G: F[u] * G[v].diff(x) + F[v] * G[u].diff(x),
    integrator=RK4(steps=8, dt=0.1),
    readout=energy_density(),
)
