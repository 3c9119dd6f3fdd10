"""Oscillator whose spring is pumped, Mathieu's equation: q'' = -w2 (1 + h cos(w t)) q.

Near w = 2 sqrt(w2) rest is unstable: with w = 2 w0 + e small q grows as exp(s t), s^2 = ((h w0/2)^2 - e^2)/4.

Reference: L. D. Landau, E. M. Lifshitz (1976), Mechanics, section 27.
"""

import sympy as sp

from metrigen import Field, Lattice, Leapfrog, Param, System, energy_density, t

point = Lattice()
q = Field("q", point)
w2 = Param("w2", per="channel", positive=True, init=1.0)
h = Param("h", per="channel", init=0.2)
w = Param("w", per="channel", positive=True, init=2.0)

system = System(
    name="parametric_oscillator",
    domain=point,
    lagrangian=q.diff(t) ** 2 / 2 - w2 * (1 + h * sp.cos(w * t)) * q**2 / 2,
    integrator=Leapfrog(steps=8, dt=0.1),
    readout=energy_density(),
)
