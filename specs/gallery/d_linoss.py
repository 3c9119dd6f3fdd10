"""Damped LinOSS cell: y'' = -a y - g y' + B u with a learned damping g of every oscillator.

The splitting integrates the friction exactly and is stable for a dt^2 <= 4 at any damping.

Reference: J. Boyer, T. K. Rusch, D. Rus (2025), Learning to Dissipate Energy in Oscillatory State-Space Models.
"""

from metrigen import Field, Input, Lattice, Param, Strang, System, friction, mix, momentum, t

point = Lattice()
y, u = Field("y", point), Input("u", point)
a = Param("a", per="channel", nonnegative=True, init=1.0)
g = Param("g", per="channel", nonnegative=True, init=0.1)
B = Param("B", shape=("C", "C"))

system = System(
    name="d_linoss",
    domain=point,
    lagrangian=y.diff(t) ** 2 / 2 - a * y**2 / 2 + y * mix(B, u),
    metric=friction(g, momentum(y)),
    integrator=Strang(steps=1, dt=Param("dt", positive=True, init=0.1)),
)
