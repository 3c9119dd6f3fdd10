"""Damped phi^4 on a periodic lattice, one set of coefficients per channel, channels uncoupled; reads out T^{mu nu}.

L = phi_t^2/2 - c2 |grad phi|^2/2 - m2 phi^2/2 - lam phi^4/4, friction gamma on the momentum.
"""

import sympy as sp

from metrigen import Field, Lattice, Param, Strang, System, grad, momentum, stress_energy, t

x, y = sp.symbols("x y", real=True)
grid = Lattice(x, y, boundary="periodic")

phi = Field("phi", grid)
pi = momentum(phi)
c2 = Param("c2", per="channel", positive=True, init=1.0)
m2 = Param("m2", per="channel", nonnegative=True, init=0.1)
lam = Param("lam", per="channel", nonnegative=True, init=0.1)
gamma = Param("gamma", per="channel", nonnegative=True, init=0.1)

system = System(
    name="layer",
    domain=grid,
    lagrangian=phi.diff(t) ** 2 / 2 - c2 * grad(phi).square / 2 - m2 * phi**2 / 2 - lam * phi**4 / 4,
    bracket=lambda F, G: F[phi] * G[pi] - F[pi] * G[phi],
    metric=lambda F, G: gamma * F[pi] * G[pi],
    integrator=Strang(steps=8, dt=0.1),
    readout=stress_energy(),
)
