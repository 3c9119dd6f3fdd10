"""Shallow water of depth h and velocity u: h_t = -(h u)_x, u_t = -u u_x - g h_x.

Small waves run at sqrt(g h); the mass int h and the circulation int u are Casimirs.

Reference: R. Salmon (1988), Hamiltonian fluid mechanics.
"""

import sympy as sp

from metrigen import RK4, Field, Lattice, Param, System, energy_density, t

x = sp.Symbol("x", real=True)
line = Lattice(x)
h = sp.Function("h", positive=True)(t, x)
u = Field("u", line)
g = Param("g", per="channel", positive=True, init=1.0)

system = System(
    name="shallow_water",
    domain=line,
    fields=(h, u),
    hamiltonian=h * u**2 / 2 + g * h**2 / 2,
    bracket=lambda F, G: -F[h] * G[u].diff(x) - F[u] * G[h].diff(x),
    integrator=RK4(steps=8, dt=0.1),
    readout=energy_density(),
)
