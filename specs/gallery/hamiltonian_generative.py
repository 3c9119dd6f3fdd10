"""Dynamics of a Hamiltonian generative network: a latent (q, p) rolled out by leapfrog in a learned potential.

Here the potential is a quartic polynomial with a coupling of the channels; it is bounded below for positive b.

Reference: P. Toth, D. J. Rezende, A. Jaegle, S. Racaniere, A. Botev, I. Higgins (2020), Hamiltonian Generative
Networks.
"""

from metrigen import Field, Lattice, Leapfrog, Param, System, energy_density, mix, t

point = Lattice()
q = Field("q", point)
a, b = Param("a", per="channel", init=1.0), Param("b", per="channel", positive=True, init=0.5)
K = Param("K", shape=("C", "C"), symmetric=True)

system = System(
    name="hamiltonian_generative",
    domain=point,
    lagrangian=q.diff(t) ** 2 / 2 - a * q**2 / 2 - b * q**4 / 4 - q * mix(K, q) / 2,
    integrator=Leapfrog(steps=16, dt=Param("dt", positive=True, init=0.1)),
    readout=energy_density(),
)
