"""Dynamics of a Hamiltonian generative network: a phase point (q, p) of two coordinates in a learned potential.

H = |p|^2/2 + k |q|^2/2 + V(q), V a network of both coordinates. The spring holds what V does not know of, so that a
rollout that is far longer than any that was trained stays in the plane. The leapfrog step is symplectic and symmetric
in time for every weight: the same layer goes backwards with a negative time step.

Reference: P. Toth, D. J. Rezende, A. Jaegle, S. Racaniere, A. Botev, I. Higgins (2020), Hamiltonian Generative
Networks.
"""

from metrigen import Field, Lattice, Leapfrog, NeuralFunction, Param, System, energy_density, t

point = Lattice()
x, y = Field("x", point), Field("y", point)
V = NeuralFunction("V", x, y, hidden=(64,), activation="logcosh")
k = Param("k", positive=True, init=1.0)

system = System(
    name="hgn",
    domain=point,
    lagrangian=(x.diff(t) ** 2 + y.diff(t) ** 2) / 2 - k * (x**2 + y**2) / 2 - V,
    integrator=Leapfrog(steps=2, dt=0.125),
    readout=energy_density(),
    volume_preserving=True,
)
