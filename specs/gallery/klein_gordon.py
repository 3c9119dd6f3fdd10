"""Free scalar field: phi_tt = c2 phi_xx - m2 phi, plane waves of frequency w^2 = c2 k^2 + m2.

Reference: M. E. Peskin, D. V. Schroeder (1995), An Introduction to Quantum Field Theory, chapter 2.
"""

import sympy as sp

from metrigen import Field, Lattice, Leapfrog, Param, System, stress_energy, t

x = sp.Symbol("x", real=True)
line = Lattice(x)
phi = Field("phi", line)
c2 = Param("c2", per="channel", positive=True, init=1.0)
m2 = Param("m2", per="channel", nonnegative=True, init=0.25)

system = System(
    name="klein_gordon",
    domain=line,
    lagrangian=phi.diff(t) ** 2 / 2 - c2 * phi.diff(x) ** 2 / 2 - m2 * phi**2 / 2,
    integrator=Leapfrog(steps=8, dt=0.1),
    readout=stress_energy(),
)
