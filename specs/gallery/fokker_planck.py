"""Diffusion in a potential V: rho_t = div(rho grad(log rho + V)), descending the free energy in transport metric.

The equilibrium is exp(-V) up to its mass, on the lattice as well.

Reference: R. Jordan, D. Kinderlehrer, F. Otto (1998), The variational formulation of the Fokker-Planck equation.
"""

import sympy as sp

from metrigen import ExplicitEuler, Input, Lattice, System, diffusion, energy_density, t

x = sp.Symbol("x", real=True)
line = Lattice(x, boundary="neumann")
rho = sp.Function("rho", positive=True)(t, x)
V = Input("V", line)

system = System(
    name="fokker_planck",
    domain=line,
    fields=(rho,),
    hamiltonian=rho * sp.log(rho) + rho * V,
    metric=diffusion(rho, rho),
    integrator=ExplicitEuler(steps=8, dt=0.05),
    readout=energy_density(),
)
