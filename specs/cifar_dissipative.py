"""The layer for images without its Poisson bracket: field and momentum descend the energy of the wave, each by itself.

phi_t = -k (m2 phi - c1 phi_xx - c2 phi_yy),  pi_t = -gamma pi: diffusion instead of waves, the same energy and the same
stress-energy tensor. For comparison with specs/cifar.py.
"""

import sympy as sp

from metrigen import ExplicitEuler, Field, Lattice, Param, System, grad, stress_energy

x, y = sp.symbols("x y", real=True)
image = Lattice(x, y, boundary="neumann")

phi, pi = Field("phi", image), Field("pi", image)
c1 = Param("c1", per="channel", positive=True, below=1.75, init=0.5)
c2 = Param("c2", per="channel", positive=True, below=1.75, init=0.5)
m2 = Param("m2", per="channel", nonnegative=True, below=2.0, init=0.2)
k = Param("k", per="channel", positive=True, below=0.25, init=0.1)
gamma = Param("gamma", per="channel", nonnegative=True, below=2.0, init=0.3)

system = System(
    name="cifar_dissipative",
    domain=image,
    fields=(phi, pi),
    hamiltonian=pi**2 / 2 + c1 * grad(phi)[0] ** 2 / 2 + c2 * grad(phi)[1] ** 2 / 2 + m2 * phi**2 / 2,
    metric=lambda F, G: k * F[phi] * G[phi] + gamma * F[pi] * G[pi],
    integrator=ExplicitEuler(steps=2, dt=0.5),
    readout=stress_energy(normalise="amplitude"),
)
