"""Hamiltonian deep network: a layer is a leapfrog step of H = sum log cosh(K q + b) + log cosh(M p + c).

The Jacobian of every layer is symplectic, so that gradients cannot vanish through the depth.

Reference: C. L. Galimberti, L. Furieri, L. Xu, G. Ferrari-Trecate (2023), Hamiltonian Deep Neural Networks
Guaranteeing Nonvanishing Gradients by Design.
"""

import sympy as sp

from metrigen import Field, Lattice, Leapfrog, Param, System, canonical, energy_density, mix

point = Lattice()
q, p = Field("q", point), Field("p", point)
K, M = Param("K", shape=("C", "C")), Param("M", shape=("C", "C"))
b, c = Param("b", per="channel"), Param("c", per="channel")

system = System(
    name="hamiltonian_network",
    domain=point,
    fields=(q, p),
    hamiltonian=sp.log(sp.cosh(mix(K, q) + b)) + sp.log(sp.cosh(mix(M, p) + c)),
    bracket=canonical((q, p)),
    integrator=Leapfrog(steps=4, dt=0.1),
    readout=energy_density(),
)
