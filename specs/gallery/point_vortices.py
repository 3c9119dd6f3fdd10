"""Two point vortices of circulations g1, g2: the coordinates of a vortex are conjugate to each other.

H = -g1 g2 log(r^2) / (4 pi), {x_i, y_i} = 1/g_i. The pair turns at the rate (g1 + g2) / (2 pi r^2), r constant.

Reference: H. Aref (1983), Integrable, chaotic, and turbulent vortex motion in two-dimensional flows.
"""

import sympy as sp

from metrigen import RK4, Field, Lattice, Param, System, energy_density

point = Lattice()
x1, y1, x2, y2 = (Field(name, point) for name in ("x1", "y1", "x2", "y2"))
g1, g2 = Param("g1", per="channel", positive=True, init=1.0), Param("g2", per="channel", positive=True, init=2.0)

system = System(
    name="point_vortices",
    domain=point,
    fields=(x1, y1, x2, y2),
    hamiltonian=-g1 * g2 * sp.log((x1 - x2) ** 2 + (y1 - y2) ** 2) / (4 * sp.pi),
    bracket=lambda F, G: (F[x1] * G[y1] - F[y1] * G[x1]) / g1 + (F[x2] * G[y2] - F[y2] * G[x2]) / g2,
    integrator=RK4(steps=8, dt=0.05),
    readout=energy_density(),
)
