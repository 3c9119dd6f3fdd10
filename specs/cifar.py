"""Damped, channel-coupled wave on a lattice with closed walls: the full metriplectic structure as a layer for images.

L = phi_t^2/2 - c1 phi_x^2/2 - c2 phi_y^2/2 - m2 phi^2/2, friction gamma on the momentum, and a learned antisymmetric
coupling of the momenta in blocks of 8 channels, {pi_a, pi_b} = B_ab: a rotation that does no work. The stress-energy
tensor of degree one in the fields is read out: it is the nonlinearity of the network. With dt^2 (4 c1 + 4 c2 + m2) <= 4
for every weight the steps are stable.
"""

import sympy as sp

from metrigen import Field, Lattice, Param, Strang, System, grad, mix, momentum, stress_energy, t

x, y = sp.symbols("x y", real=True)
image = Lattice(x, y, boundary="neumann")

phi = Field("phi", image)
pi = momentum(phi)
c1 = Param("c1", per="channel", positive=True, below=1.75, init=0.5)
c2 = Param("c2", per="channel", positive=True, below=1.75, init=0.5)
m2 = Param("m2", per="channel", nonnegative=True, below=2.0, init=0.2)
gamma = Param("gamma", per="channel", nonnegative=True, init=0.3)
B = Param("B", shape=("C", "C"), block=8, antisymmetric=True)

system = System(
    name="cifar",
    domain=image,
    lagrangian=phi.diff(t) ** 2 / 2 - c1 * grad(phi)[0] ** 2 / 2 - c2 * grad(phi)[1] ** 2 / 2 - m2 * phi**2 / 2,
    bracket=lambda F, G: F[phi] * G[pi] - F[pi] * G[phi] + F[pi] * mix(B, G[pi]),
    metric=lambda F, G: gamma * F[pi] * G[pi],
    integrator=Strang(steps=2, dt=0.5),
    readout=stress_energy(normalise="amplitude"),
)
