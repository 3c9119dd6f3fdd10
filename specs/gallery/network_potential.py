"""A scalar field in a potential that a small network learns: phi_tt = lap phi - V'(phi), with friction.

As learned_potential, but the network is declared: its weights are parameters of the layer, a set for each channel, and
the kernels evaluate V' and V''. The energy falls for every value of the weights.

Reference: S. Greydanus, M. Dzamba, J. Yosinski (2019), Hamiltonian neural networks (a learned energy, its dynamics
derived).
"""

import sympy as sp

from metrigen import Field, Lattice, NeuralFunction, Param, Strang, System, grad, momentum, stress_energy, t

x, y = sp.symbols("x y", real=True)
grid = Lattice(x, y)
phi = Field("phi", grid)
pi = momentum(phi)
gamma = Param("gamma", per="channel", nonnegative=True, init=0.1)
V = NeuralFunction("V", phi, hidden=(16,), activation="tanh")

system = System(
    name="network_potential",
    domain=grid,
    lagrangian=phi.diff(t) ** 2 / 2 - grad(phi).square / 2 - V,
    metric=lambda F, G: gamma * F[pi] * G[pi],
    integrator=Strang(steps=8, dt=0.1),
    readout=stress_energy(),
)
