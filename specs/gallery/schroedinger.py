"""Nonlinear Schroedinger equation i psi_t = -psi_xx/2 + g |psi|^2 psi for psi = a + i b, from a first-order Lagrangian.

Its symplectic matrix makes a and b conjugate. The phase symmetry conserves the norm; for g = -1 the soliton is
psi = r sech(r (x - v t)) exp(i (v x + (r^2 - v^2) t/2)).

Reference: V. E. Zakharov, A. B. Shabat (1972), Exact theory of two-dimensional self-focusing and one-dimensional
self-modulation of waves in nonlinear media.
"""

import sympy as sp

from metrigen import RK4, Field, Lattice, Param, System, energy_density, t

x = sp.Symbol("x", real=True)
line = Lattice(x, spacing=sp.Rational(1, 4))
a, b = Field("a", line), Field("b", line)
g = Param("g", per="channel", init=-1.0)

system = System(
    name="schroedinger",
    domain=line,
    lagrangian=b * a.diff(t) - a * b.diff(t) - (a.diff(x) ** 2 + b.diff(x) ** 2) / 2 - g * (a**2 + b**2) ** 2 / 2,
    symmetries={"phase": {a: -b, b: a}},
    integrator=RK4(steps=8, dt=0.02),
    readout=energy_density(),
)
