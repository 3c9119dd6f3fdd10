"""Vorticity that loses enstrophy at constant energy: w_t = -[psi, w] + [psi, nu [psi, w]], lap psi = w.

The entropy is S = -int w^2/2, a Casimir of the bracket of the ideal fluid; the metric
(F, G) = int nu [F_w, psi] [G_w, psi] holds the energy, whose derivative is -psi.

References: G. K. Vallis, G. F. Carnevale, W. R. Young (1989), Extremal energy properties and construction of stable
solutions of the Euler equations; P. J. Morrison (1986), A paradigm for joined Hamiltonian and dissipative systems.
"""

import sympy as sp

from metrigen import RK4, Dissipation, Field, Lattice, Param, System, energy_density, grad

x, y = sp.symbols("x y", real=True)
plane = Lattice(x, y)
w, psi = Field("w", plane), Field("psi", plane)
nu = Param("nu", per="channel", nonnegative=True, init=0.1)


def square(f, g):
    return f.diff(x) * g.diff(y) - f.diff(y) * g.diff(x)


system = System(
    name="selective_decay",
    domain=plane,
    fields=(w,),
    hamiltonian=grad(psi).square / 2,
    entropy=-(w**2) / 2,
    constraints={psi: psi.diff(x, 2) + psi.diff(y, 2) - w},
    bracket=lambda F, G: w * square(F[w], G[w]),
    metric=Dissipation((nu, lambda F: square(F[w], psi))),
    integrator=RK4(steps=8, dt=0.1),
    readout=energy_density(),
)
