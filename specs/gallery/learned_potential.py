"""A scalar field in a potential that is learned: phi_tt = lap phi - V'(phi), with friction.

The stress-energy tensor, its balance law and the fall of the energy are derived for every V; a torch module gives V
when the layer is made. With V = m2 phi^2/2 + lam phi^4/4 it is the damped phi^4 field.

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
V = NeuralFunction("V", phi)

system = System(
    name="learned_potential",
    domain=grid,
    lagrangian=phi.diff(t) ** 2 / 2 - grad(phi).square / 2 - V,
    metric=lambda F, G: gamma * F[pi] * G[pi],
    integrator=Strang(steps=8, dt=0.1),
    readout=stress_energy(),
)
