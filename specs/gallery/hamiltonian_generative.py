"""Dynamics of a Hamiltonian generative network: a latent (q, p) rolled out by leapfrog in a learned potential V(q).

V is a torch module given to the layer, and a coupling of the channels stands beside it; the leapfrog step keeps the
volume of phase space whatever V is.

Reference: P. Toth, D. J. Rezende, A. Jaegle, S. Racaniere, A. Botev, I. Higgins (2020), Hamiltonian Generative
Networks.
"""

from metrigen import Field, Lattice, Leapfrog, NeuralFunction, Param, System, energy_density, mix, t

point = Lattice()
q = Field("q", point)
V = NeuralFunction("V", q)
K = Param("K", shape=("C", "C"), symmetric=True)

system = System(
    name="hamiltonian_generative",
    domain=point,
    lagrangian=q.diff(t) ** 2 / 2 - V - q * mix(K, q) / 2,
    integrator=Leapfrog(steps=16, dt=Param("dt", positive=True, init=0.1)),
    readout=energy_density(),
)
