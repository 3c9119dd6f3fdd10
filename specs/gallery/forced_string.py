"""String with fixed ends and friction, shaken: u_tt = c2 u_xx - gamma u_t + f(x) cos(w t).

Every mode answers as an oscillator, by f_n / sqrt((w_n^2 - w^2)^2 + (gamma w)^2), w_n = c n pi / L.

Reference: P. M. Morse (1948), Vibration and Sound, chapter 3.
"""

import sympy as sp

from metrigen import Field, Input, Lattice, Param, Strang, System, energy_density, friction, grad, momentum, t

x = sp.Symbol("x", real=True)
string = Lattice(x, boundary="zero")
u = Field("u", string)
f = Input("f", string)
c2 = Param("c2", per="channel", positive=True, init=1.0)
gamma = Param("gamma", per="channel", nonnegative=True, init=0.2)
w = Param("w", per="channel", positive=True, init=0.5)

system = System(
    name="forced_string",
    domain=string,
    lagrangian=u.diff(t) ** 2 / 2 - c2 * grad(u).square / 2 + sp.cos(w * t) * f * u,
    metric=friction(gamma, momentum(u)),
    integrator=Strang(steps=8, dt=0.1),
    readout=energy_density(),
)
