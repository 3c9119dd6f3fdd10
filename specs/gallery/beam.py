"""Euler-Bernoulli beam: rho w_tt = -EI w_xxxx, bending waves of frequency sqrt(EI/rho) k^2.

Reference: K. F. Graff (1975), Wave Motion in Elastic Solids, chapter 3.
"""

import sympy as sp

from metrigen import Field, Lattice, Leapfrog, Param, System, stress_energy, t

x = sp.Symbol("x", real=True)
line = Lattice(x)
w = Field("w", line)
rho = Param("rho", per="channel", positive=True, init=1.0)
EI = Param("EI", per="channel", positive=True, init=1.0)

system = System(
    name="beam",
    domain=line,
    lagrangian=rho * w.diff(t) ** 2 / 2 - EI * w.diff(x, 2) ** 2 / 2,
    integrator=Leapfrog(steps=8, dt=0.1),
    readout=stress_energy(),
)
