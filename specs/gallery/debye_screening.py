"""Screened potential of a charge s: (m2 - eps lap) u = s, the minimum of its energy.

On the lattice line a unit charge gives u_n = z^|n| / sqrt(m2 (m2 + 4 eps)), z + 1/z = 2 + m2/eps.

Reference: P. Debye, E. Hueckel (1923), Zur Theorie der Elektrolyte.
"""

import sympy as sp

from metrigen import Dissipation, Field, Input, Lattice, Param, SteadyState, System, energy_density

x = sp.Symbol("x", real=True)
line = Lattice(x)
u, s = Field("u", line), Input("s", line)
eps = Param("eps", per="channel", positive=True, init=1.0)
m2 = Param("m2", per="channel", positive=True, init=0.5)

system = System(
    name="debye_screening",
    domain=line,
    fields=(u,),
    hamiltonian=eps * u.diff(x) ** 2 / 2 + m2 * u**2 / 2 - s * u,
    metric=Dissipation((1, lambda F: F[u])),
    integrator=SteadyState(solver="cg", rtol=1e-10, max_iter=400),
    readout=energy_density(),
)
