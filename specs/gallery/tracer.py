"""Tracer w carried by a prescribed stream function psi: w_t = -[psi, w], the bracket of two-dimensional fluids.

{F, G} = int w (F_x G_y - F_y G_x) with dF = F_w; int w and int psi w are conserved.

Reference: P. J. Morrison (1998), Hamiltonian description of the ideal fluid.
"""

import sympy as sp

from metrigen import RK4, Field, Input, Lattice, System, energy_density

x, y = sp.symbols("x y", real=True)
grid = Lattice(x, y)
w = Field("w", grid)
psi = Input("psi", grid)

system = System(
    name="tracer",
    domain=grid,
    fields=(w,),
    hamiltonian=-psi * w,
    bracket=lambda F, G: w * (F[w].diff(x) * G[w].diff(y) - F[w].diff(y) * G[w].diff(x)),
    integrator=RK4(steps=8, dt=0.1),
    readout=energy_density(),
)
