"""Isotropic elastic medium in the plane, displacement (u, v), Lame coefficients lam and mu.

Longitudinal waves run at sqrt((lam + 2 mu)/rho), transverse ones at sqrt(mu/rho).

Reference: L. D. Landau, E. M. Lifshitz (1986), Theory of Elasticity, section 22.
"""

import sympy as sp

from metrigen import Field, Lattice, Leapfrog, Param, System, stress_energy, t

x, y = sp.symbols("x y", real=True)
grid = Lattice(x, y)
u, v = Field("u", grid), Field("v", grid)
rho, lam, mu = (Param(name, per="channel", positive=True, init=1.0) for name in ("rho", "lam", "mu"))
shear = u.diff(y) + v.diff(x)

system = System(
    name="elastic_waves",
    domain=grid,
    lagrangian=rho * (u.diff(t) ** 2 + v.diff(t) ** 2) / 2
    - lam * (u.diff(x) + v.diff(y)) ** 2 / 2
    - mu * (u.diff(x) ** 2 + v.diff(y) ** 2 + shear**2 / 2),
    integrator=Leapfrog(steps=8, dt=0.1),
    readout=stress_energy(),
)
