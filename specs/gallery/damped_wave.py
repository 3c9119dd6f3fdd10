"""Wave with friction, the telegrapher's equation: phi_tt + gamma phi_t = c2 lap phi.

A mode of frequency w decays as exp(-gamma t/2) cos(sqrt(w^2 - gamma^2/4) t); the total momentum as exp(-gamma t).

Reference: M. Kac (1974), A stochastic model related to the telegrapher's equation.
"""

import sympy as sp

from metrigen import Field, Lattice, Param, Strang, System, friction, grad, momentum, stress_energy, t

x, y = sp.symbols("x y", real=True)
grid = Lattice(x, y)
phi = Field("phi", grid)
c2 = Param("c2", per="channel", positive=True, init=1.0)
gamma = Param("gamma", per="channel", nonnegative=True, init=0.3)

system = System(
    name="damped_wave",
    domain=grid,
    lagrangian=phi.diff(t) ** 2 / 2 - c2 * grad(phi).square / 2,
    metric=friction(gamma, momentum(phi)),
    integrator=Strang(steps=8, dt=0.1),
    readout=stress_energy(),
)
