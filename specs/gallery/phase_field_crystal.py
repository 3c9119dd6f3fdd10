"""Density of a crystal on diffusive times: the free energy of Swift and Hohenberg, descended at constant mass.

About u = 0 a mode of wave number k grows at the rate k^2 (r - (1 - k^2)^2).

Reference: K. R. Elder, M. Katakowski, M. Haataja, M. Grant (2002), Modeling elasticity in crystal growth.
"""

import sympy as sp

from metrigen import ExplicitEuler, Field, Lattice, Param, System, diffusion, energy_density

x = sp.Symbol("x", real=True)
line = Lattice(x)
u = Field("u", line)
r = Param("r", per="channel", init=0.3)

system = System(
    name="phase_field_crystal",
    domain=line,
    fields=(u,),
    hamiltonian=(u + u.diff(x, 2)) ** 2 / 2 - r * u**2 / 2 + u**4 / 4,
    metric=diffusion(1, u),
    integrator=ExplicitEuler(steps=8, dt=0.01),
    readout=energy_density(),
)
