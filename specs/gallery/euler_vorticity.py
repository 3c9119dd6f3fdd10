"""Two-dimensional Euler equations for the vorticity w: w_t = -[psi, w], lap psi = w.

The energy is that of the flow, |grad psi|^2/2; through the constraint dH/dw = -psi. {F, G} = int w [F_w, G_w] is the
Lie-Poisson bracket of area-preserving maps, int f(w) its Casimirs. A flow with w = f(psi) is at rest.

Reference: P. J. Morrison (1998), Hamiltonian description of the ideal fluid.
"""

import sympy as sp

from metrigen import RK4, Field, Lattice, System, energy_density, grad

x, y = sp.symbols("x y", real=True)
plane = Lattice(x, y)
w, psi = Field("w", plane), Field("psi", plane)

system = System(
    name="euler_vorticity",
    domain=plane,
    fields=(w,),
    hamiltonian=grad(psi).square / 2,
    constraints={psi: psi.diff(x, 2) + psi.diff(y, 2) - w},
    bracket=lambda F, G: w * (F[w].diff(x) * G[w].diff(y) - F[w].diff(y) * G[w].diff(x)),
    integrator=RK4(steps=8, dt=0.1),
    readout=energy_density(),
)
