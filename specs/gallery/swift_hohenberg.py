"""Pattern formation at a finite wavelength: u_t = r u - (1 + d_xx)^2 u - u^3.

About u = 0 a mode of wave number k grows at the rate r - (1 - k^2)^2; stripes of amplitude about sqrt(4 r/3) remain.

Reference: J. Swift, P. C. Hohenberg (1977), Hydrodynamic fluctuations at the convective instability.
"""

import sympy as sp

from metrigen import Dissipation, ExplicitEuler, Field, Lattice, Param, System, energy_density

x = sp.Symbol("x", real=True)
line = Lattice(x)
u = Field("u", line)
r = Param("r", per="channel", init=0.3)

system = System(
    name="swift_hohenberg",
    domain=line,
    fields=(u,),
    hamiltonian=(u + u.diff(x, 2)) ** 2 / 2 - r * u**2 / 2 + u**4 / 4,
    metric=Dissipation((1, lambda F: F[u])),
    integrator=ExplicitEuler(steps=8, dt=0.05),
    readout=energy_density(),
)
