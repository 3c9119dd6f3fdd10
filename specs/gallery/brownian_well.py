"""Brownian particle in a double well, without inertia: dq = -b V'(q) dt + sqrt(2 b T) dW, V = (q^2 - 1)^2/4.

It visits both wells q = -+1 with the density exp(-V/T), whatever the mobility b is; the barrier is V(0) = 1/4.

References: H. A. Kramers (1940), Physica 7, 284-304; G. A. Pavliotis (2014), Stochastic Processes and Applications,
chapter 4.
"""

from metrigen import ExplicitEuler, Field, Lattice, Param, System, energy_density

point = Lattice()
q = Field("q", point)
b = Param("b", per="channel", positive=True, init=1.0)
T = Param("T", positive=True, init=0.25)

system = System(
    name="brownian_well",
    domain=point,
    fields=(q,),
    hamiltonian=(q**2 - 1) ** 2 / 4,
    metric=lambda F, G: b * F[q] * G[q],
    temperature=T,
    integrator=ExplicitEuler(steps=8, dt=0.02),
    readout=energy_density(),
)
