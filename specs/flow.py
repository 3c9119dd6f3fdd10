"""Neural Hamiltonian flow on the plane: a point q of the data and a momentum p move in a learned potential V(q).

H = |p|^2/2 + V(q), V a network of both coordinates. The step is a composition of shears, so that log|det| of the flow
is zero for every weight, and the density of the data is that of where it goes.

Reference: P. Toth, D. J. Rezende, A. Jaegle, S. Racaniere, A. Botev, I. Higgins (2020), Hamiltonian Generative
Networks; V. Souveton, A. Guillin, J. Jasche, G. Lavaux, M. Michel (2024), Fixed-kinetic Neural Hamiltonian Flows for
enhanced interpretability and reduced complexity.
"""

from metrigen import Field, Lattice, Leapfrog, NeuralFunction, Param, System, energy_density, t

point = Lattice()
x, y = Field("x", point), Field("y", point)
V = NeuralFunction("V", x, y, hidden=(32,), activation="logcosh")

system = System(
    name="flow",
    domain=point,
    lagrangian=(x.diff(t) ** 2 + y.diff(t) ** 2) / 2 - V,
    integrator=Leapfrog(steps=3, dt=Param("dt", positive=True, init=0.4)),
    readout=energy_density(),
    volume_preserving=True,
)
