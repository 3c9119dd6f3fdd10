"""Charged scalar field a + i b with a quartic self-interaction: its phase symmetry conserves the charge.

Q = sum(a pi_b - b pi_a) is bilinear, so leapfrog keeps it exactly.

Reference: S. Coleman (1985), Q-balls.
"""

import sympy as sp

from metrigen import Field, Lattice, Leapfrog, Param, System, grad, stress_energy, t

x, y = sp.symbols("x y", real=True)
grid = Lattice(x, y)
a, b = Field("a", grid), Field("b", grid)
m2 = Param("m2", per="channel", nonnegative=True, init=1.0)
lam = Param("lam", per="channel", nonnegative=True, init=0.5)
square = a**2 + b**2

system = System(
    name="charged_scalar",
    domain=grid,
    lagrangian=(a.diff(t) ** 2 + b.diff(t) ** 2 - grad(a).square - grad(b).square - m2 * square) / 2
    - lam * square**2 / 4,
    symmetries={"phase": {a: -b, b: a}},
    integrator=Leapfrog(steps=8, dt=0.1),
    readout=stress_energy(),
)
