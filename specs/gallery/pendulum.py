"""Mathematical pendulum: q'' = -w2 sin q.

The period at amplitude a is 4 K(sin(a/2)) / sqrt(w2), K the complete elliptic integral of the first kind.

Reference: L. D. Landau, E. M. Lifshitz (1976), Mechanics, section 11.
"""

import sympy as sp

from metrigen import Field, Lattice, Leapfrog, Param, System, energy_density, t

point = Lattice()
q = Field("q", point)
w2 = Param("w2", per="channel", positive=True, init=1.0)

system = System(
    name="pendulum",
    domain=point,
    lagrangian=q.diff(t) ** 2 / 2 - w2 * (1 - sp.cos(q)),
    integrator=Leapfrog(steps=8, dt=0.1),
    readout=energy_density(),
)
