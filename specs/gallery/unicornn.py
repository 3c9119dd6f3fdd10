"""UnICORNN cell: undamped driven oscillators y'' = -tanh(w y + V u + b) - alpha y, one a channel.

Symplectic Euler is its scheme; the energy has the potential log cosh(w y + V u + b)/w + alpha y^2/2.

Reference: T. K. Rusch, S. Mishra (2021), UnICORNN: A recurrent model for learning very long time dependencies.
"""

import sympy as sp

from metrigen import Field, Input, Lattice, Param, SymplecticEuler, System, energy_density, mix, t

point = Lattice()
y, u = Field("y", point), Input("u", point)
w, alpha = (Param(name, per="channel", positive=True, init=1.0) for name in ("w", "alpha"))
b, V = Param("b", per="channel"), Param("V", shape=("C", "C"))

system = System(
    name="unicornn",
    domain=point,
    lagrangian=y.diff(t) ** 2 / 2 - alpha * y**2 / 2 - sp.log(sp.cosh(w * y + mix(V, u) + b)) / w,
    integrator=SymplecticEuler(steps=1, dt=0.1),
    readout=energy_density(),
)
