"""Ion in the oscillating quadrupole of a Paul trap: x'' = -(a - 2 k cos 2t) x, y'' = (a - 2 k cos 2t) y.

No static field holds a charge in all directions; this one does for a = 0 and k < 0.9080463, the edge of the first
region of stability of Mathieu's equation.

Reference: W. Paul (1990), Electromagnetic traps for charged and neutral particles.
"""

import sympy as sp

from metrigen import Field, Lattice, Leapfrog, Param, System, energy_density, t

point = Lattice()
x, y = Field("x", point), Field("y", point)
a = Param("a", per="channel", init=0.0)
k = Param("k", per="channel", init=0.4)

system = System(
    name="paul_trap",
    domain=point,
    lagrangian=(x.diff(t) ** 2 + y.diff(t) ** 2) / 2 - (a - 2 * k * sp.cos(2 * t)) * (x**2 - y**2) / 2,
    integrator=Leapfrog(steps=8, dt=0.05),
    readout=energy_density(),
)
