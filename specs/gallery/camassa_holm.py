"""Camassa-Holm equation m_t + u m_x + 2 m u_x = 0, m = u - u_xx: shallow water waves with peaks.

H = int (u^2 + u_x^2)/2 with the Lie-Poisson bracket of the diffeomorphisms of the line; dH/dm = u through the
constraint. The peakon u = c exp(-|x - c t|) is a weak solution.

Reference: R. Camassa, D. D. Holm (1993), An integrable shallow water equation with peaked solitons.
"""

import sympy as sp

from metrigen import RK4, Field, Lattice, System, energy_density

x = sp.Symbol("x", real=True)
line = Lattice(x)
m, u = Field("m", line), Field("u", line)

system = System(
    name="camassa_holm",
    domain=line,
    fields=(m,),
    hamiltonian=(u**2 + u.diff(x) ** 2) / 2,
    constraints={u: u - u.diff(x, 2) - m},
    bracket=lambda F, G: -F[m] * (m * G[m].diff(x) + (m * G[m]).diff(x)),
    integrator=RK4(steps=8, dt=0.05),
    readout=energy_density(),
)
