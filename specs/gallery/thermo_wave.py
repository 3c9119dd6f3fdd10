"""Damped wave that heats its medium: friction turns momentum into internal energy e, which conducts.

pi_t = c2 lap phi - gamma pi, e_t = gamma pi^2 + kappa lap e: the energy is constant, the entropy int log e grows.

Reference: H. C. Oettinger, M. Grmela (1997), Dynamics and thermodynamics of complex fluids. II. Illustrations of a
general formalism.
"""

import sympy as sp

from metrigen import RK4, Dissipation, Field, Lattice, Param, System, canonical, energy_density, grad, t

x, y = sp.symbols("x y", real=True)
grid = Lattice(x, y)
phi, pi = Field("phi", grid), Field("pi", grid)
e = sp.Function("e", positive=True)(t, x, y)
c2, kappa = (Param(name, per="channel", positive=True, init=0.5) for name in ("c2", "kappa"))
gamma = Param("gamma", per="channel", nonnegative=True, init=0.2)

system = System(
    name="thermo_wave",
    domain=grid,
    fields=(phi, pi, e),
    hamiltonian=pi**2 / 2 + c2 * grad(phi).square / 2 + e,
    entropy=sp.log(e),
    bracket=canonical((phi, pi)),
    metric=Dissipation(
        (gamma * e, lambda F: F[pi] - pi * F[e]),
        *((kappa * e**2, lambda F, z=z: F[e].diff(z)) for z in (x, y)),
    ),
    integrator=RK4(steps=8, dt=0.05),
    readout=energy_density(),
)
