"""Neurons with graded response: u' = -u + T g(u) + b, g = tanh, T symmetric; a gradient flow in the metric 1/g'(u).

The energy is -g T g/2 - b g + u g - log cosh u; it falls until u = T g(u) + b.

Reference: J. J. Hopfield (1984), Neurons with graded response have collective computational properties like those of
two-state neurons.
"""

import sympy as sp

from metrigen import RK4, Dissipation, Field, Input, Lattice, Param, System, energy_density, mix

point = Lattice()
u, b = Field("u", point), Input("b", point)
T = Param("T", shape=("C", "C"), symmetric=True)
g = sp.tanh(u)

system = System(
    name="graded_hopfield",
    domain=point,
    fields=(u,),
    hamiltonian=-g * mix(T, g) / 2 - b * g + u * g - sp.log(sp.cosh(u)),
    metric=Dissipation((sp.cosh(u) ** 2, lambda F: F[u])),
    integrator=RK4(steps=8, dt=0.1),
    readout=energy_density(),
)
