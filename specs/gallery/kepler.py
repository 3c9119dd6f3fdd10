"""Kepler problem in the plane: q'' = -mu q / |q|^3.

Orbits of semi-major axis a close after 2 pi sqrt(a^3/mu). The rotation is a declared symmetry, its current is the
angular momentum q1 p2 - q2 p1, and leapfrog keeps it exactly.

Reference: L. D. Landau, E. M. Lifshitz (1976), Mechanics, section 15.
"""

import sympy as sp

from metrigen import Field, Lattice, Leapfrog, Param, System, energy_density, t

point = Lattice()
q1, q2 = Field("q1", point), Field("q2", point)
mu = Param("mu", per="channel", positive=True, init=1.0)

system = System(
    name="kepler",
    domain=point,
    lagrangian=(q1.diff(t) ** 2 + q2.diff(t) ** 2) / 2 + mu / sp.sqrt(q1**2 + q2**2),
    symmetries={"rotation": {q1: -q2, q2: q1}},
    integrator=Leapfrog(steps=16, dt=0.01),
    readout=energy_density(),
)
