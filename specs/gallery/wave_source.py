"""Wave with a source: phi_tt = c2 phi_xx + s, the source s handed in for every step.

From rest phi(x, t) is 1/(2 c) times the integral of s over the cone of the past, |x - y| <= c (t - r).

Reference: J. d'Alembert (1747), Recherches sur la courbe que forme une corde tendue mise en vibration.
"""

import sympy as sp

from metrigen import Field, Input, Lattice, Param, Strang, System, energy_density, grad, t

x = sp.Symbol("x", real=True)
line = Lattice(x, spacing=sp.Rational(1, 4))
phi = Field("phi", line)
s = Input("s", line, time_dependent=True)
c2 = Param("c2", per="channel", positive=True, init=1.0)

system = System(
    name="wave_source",
    domain=line,
    lagrangian=phi.diff(t) ** 2 / 2 - c2 * grad(phi).square / 2 + s * phi,
    integrator=Strang(steps=8, dt=0.1),
    readout=energy_density(),
)
