"""Guide between conducting walls with an antenna: u_tt = c2 lap u - gamma u_t + s, s handed in for every step.

The lowest mode across a width L travels above the frequency c pi / L; below, it falls as exp(-k x) along the guide,
k^2 = (pi / L)^2 - (w / c)^2.

Reference: J. D. Jackson (1999), Classical Electrodynamics, section 8.3.
"""

import sympy as sp

from metrigen import Field, Input, Lattice, Param, Strang, System, energy_density, friction, grad, momentum, t

x, y = sp.symbols("x y", real=True)
guide = Lattice(x, y, boundary="zero")
u = Field("u", guide)
s = Input("s", guide, time_dependent=True)
c2 = Param("c2", per="channel", positive=True, init=1.0)
gamma = Param("gamma", per="channel", nonnegative=True, init=0.1)

system = System(
    name="wave_guide",
    domain=guide,
    lagrangian=u.diff(t) ** 2 / 2 - c2 * grad(u).square / 2 + s * u,
    metric=friction(gamma, momentum(u)),
    integrator=Strang(steps=8, dt=0.1),
    readout=energy_density(),
)
