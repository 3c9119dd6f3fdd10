"""Pendulum on a stiff spring, with the length r and the angle a of the rod: H is not separable, and has a fast mode.

H = p^2/2 + L^2/(2 r^2) - g r cos a + k (r - 1)^2/2. The step may be long against the fast mode of frequency sqrt(k):
the average of dH over the step keeps the energy up to a quadrature with 8 nodes, which is rounding here.

Reference: E. Hairer, C. Lubich, G. Wanner (2006), Geometric Numerical Integration, section XIII.2.
"""

import sympy as sp

from metrigen import AverageVectorField, Field, Lattice, Param, System, canonical, energy_density, t

point = Lattice()
r = sp.Function("r", positive=True)(t)
a, p, L = (Field(name, point) for name in ("a", "p", "L"))
g, k = Param("g", per="channel", positive=True, init=1.0), Param("k", per="channel", positive=True, init=400.0)

system = System(
    name="elastic_pendulum",
    domain=point,
    fields=(r, a, p, L),
    hamiltonian=p**2 / 2 + L**2 / (2 * r**2) - g * r * sp.cos(a) + k * (r - 1) ** 2 / 2,
    bracket=canonical((r, p), (a, L)),
    integrator=AverageVectorField(steps=4, dt=0.2),
    readout=energy_density(),
)
