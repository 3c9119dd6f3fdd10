"""D-LinOSS along a sequence: y'' = -a y - g y' + u with learned stiffness and damping, every token an exact step.

The published schemes step this by finite differences, stable for a dt^2 <= 4 or with damping of their own; the
exponential has neither limit. One matrix a channel serves all tokens.

References: T. K. Rusch, D. Rus (2025), Oscillatory State-Space Models; J. Boyer, T. K. Rusch, D. Rus (2025), Learning
to Dissipate Energy in Oscillatory State-Space Models.
"""

from metrigen import Dissipation, Exponential, Field, Input, Param, Sequence, System, canonical, energy_density

tokens = Sequence()
y, v, u = Field("y", tokens), Field("v", tokens), Input("u", tokens)
a = Param("a", per="channel", positive=True, init=1.0)
g = Param("g", per="channel", nonnegative=True, init=0.1)

system = System(
    name="exact_linoss",
    domain=tokens,
    fields=(y, v),
    hamiltonian=(v**2 + a * y**2) / 2 - u * y,
    bracket=canonical((y, v)),
    metric=Dissipation((g, lambda F: F[v])),
    integrator=Exponential(dt=Param("dt", positive=True, init=1.0)),
    readout=energy_density(),
)
