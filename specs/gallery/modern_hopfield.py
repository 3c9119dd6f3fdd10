"""Modern Hopfield energy |xi|^2/2 - log sum exp(beta W xi)/beta; the rows of W are the stored patterns.

An explicit step of size one over the number of channels replaces xi by W^T softmax(beta W xi): attention.

Reference: H. Ramsauer et al. (2021), Hopfield Networks is All You Need.
"""

import sympy as sp

from metrigen import Dissipation, ExplicitEuler, Field, Lattice, Param, System, energy_density, mix, total

point = Lattice()
xi = Field("xi", point)
beta = Param("beta", positive=True, init=1.0)
W = Param("W", shape=("C", "C"))

system = System(
    name="modern_hopfield",
    domain=point,
    fields=(xi,),
    hamiltonian=total(xi**2) / 2 - sp.log(total(sp.exp(beta * mix(W, xi)))) / beta,
    metric=Dissipation((1, lambda F: F[xi])),
    integrator=ExplicitEuler(steps=1, dt=0.1),
    readout=energy_density(),
)
