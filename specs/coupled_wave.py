"""Damped, channel-coupled nonlinear wave on a periodic lattice: the full metriplectic structure.

L = phi_t^2/2 - c2 |grad phi|^2/2 - m2 phi^2/2 - lam phi^4/4 - phi K phi/2, friction gamma on the momentum, and a
learned antisymmetric coupling of the channels in the bracket, {pi_a, pi_b} = B_ab: a rotation of the momenta that
does no work. The readout is the stress-energy tensor.
"""

import sympy as sp

from metrigen import Field, Lattice, Param, Strang, System, grad, mix, momentum, stress_energy, t

x, y = sp.symbols("x y", real=True)
grid = Lattice(x, y, boundary="periodic")

phi = Field("phi", grid)
pi = momentum(phi)
c2 = Param("c2", per="channel", positive=True, init=1.0)
m2 = Param("m2", per="channel", nonnegative=True, init=0.1)
lam = Param("lam", per="channel", nonnegative=True, init=0.1)
gamma = Param("gamma", per="channel", nonnegative=True, init=0.1)
K = Param("K", shape=("C", "C"), symmetric=True)
B = Param("B", shape=("C", "C"), block=8, antisymmetric=True)

system = System(
    name="coupled_wave",
    domain=grid,
    lagrangian=phi.diff(t) ** 2 / 2
    - c2 * grad(phi).square / 2
    - m2 * phi**2 / 2
    - lam * phi**4 / 4
    - phi * mix(K, phi) / 2,
    bracket=lambda F, G: F[phi] * G[pi] - F[pi] * G[phi] + F[pi] * mix(B, G[pi]),
    metric=lambda F, G: gamma * F[pi] * G[pi],
    integrator=Strang(steps=8, dt=Param("dt", positive=True, init=0.1)),
    readout=stress_energy(),
)
