"""Dynamics of a Hamiltonian generative network: a latent (q, p) rolled out by leapfrog in the potential of a network.

As hamiltonian_generative, but the network is declared: 32 units for each channel, and a coupling of the channels. The
leapfrog step keeps the volume of phase space whatever the weights are.

Reference: P. Toth, D. J. Rezende, A. Jaegle, S. Racaniere, A. Botev, I. Higgins (2020), Hamiltonian Generative
Networks.
"""

from metrigen import Field, Lattice, Leapfrog, NeuralFunction, Param, System, energy_density, mix, t

point = Lattice()
q = Field("q", point)
V = NeuralFunction("V", q, hidden=(32,), activation="softplus")
K = Param("K", shape=("C", "C"), symmetric=True)

system = System(
    name="generative_network",
    domain=point,
    lagrangian=q.diff(t) ** 2 / 2 - V - q * mix(K, q) / 2,
    integrator=Leapfrog(steps=16, dt=Param("dt", positive=True, init=0.1)),
    readout=energy_density(),
)
