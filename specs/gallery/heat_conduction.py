"""Conduction of heat by energy and entropy: e_t = kappa e_xx from S = int log e and the metric kappa T^2 |grad F_e|^2.

The same equation as the heat flow, but with the thermodynamic generators: int e is constant, S grows.

Reference: A. Mielke (2011), Formulation of thermoelastic dissipative material behavior using GENERIC.
"""

import sympy as sp

from metrigen import RK4, Lattice, Param, System, diffusion, energy_density, t

x = sp.Symbol("x", real=True)
line = Lattice(x, boundary="neumann")
e = sp.Function("e", positive=True)(t, x)
kappa = Param("kappa", per="channel", positive=True, init=1.0)

system = System(
    name="heat_conduction",
    domain=line,
    fields=(e,),
    hamiltonian=e,
    entropy=sp.log(e),
    metric=diffusion(kappa * e**2, e),
    integrator=RK4(steps=8, dt=0.1),
    readout=energy_density(),
)
