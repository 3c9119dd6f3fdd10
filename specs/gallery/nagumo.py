"""Bistable reaction and diffusion u_t = u_xx + u (1 - u)(u - a): a gradient flow with a travelling front.

The front 1/(1 + exp((x - c t)/sqrt(2))) runs at c = (1 - 2 a)/sqrt(2).

Reference: J. Nagumo, S. Arimoto, S. Yoshizawa (1962), An active pulse transmission line simulating nerve axon.
"""

import sympy as sp

from metrigen import Dissipation, ExplicitEuler, Field, Lattice, Param, System, energy_density

x = sp.Symbol("x", real=True)
line = Lattice(x, boundary="neumann", spacing=sp.Rational(1, 2))
u = Field("u", line)
a = Param("a", per="channel", positive=True, init=0.25)

system = System(
    name="nagumo",
    domain=line,
    fields=(u,),
    hamiltonian=u.diff(x) ** 2 / 2 + u**4 / 4 - (1 + a) * u**3 / 3 + a * u**2 / 2,
    metric=Dissipation((1, lambda F: F[u])),
    integrator=ExplicitEuler(steps=8, dt=0.05),
    readout=energy_density(),
)
