"""The phi^4 field with two vacua: phi_tt = phi_xx + phi - phi^3.

The kink tanh(g (x - v t)/sqrt(2)), g = 1/sqrt(1 - v^2), moves unchanged between the vacua -1 and 1.

Reference: R. Rajaraman (1982), Solitons and Instantons, chapter 2.
"""

import sympy as sp

from metrigen import Field, Lattice, Leapfrog, System, stress_energy, t

x = sp.Symbol("x", real=True)
line = Lattice(x, boundary="neumann", spacing=sp.Rational(1, 4))
phi = Field("phi", line)

system = System(
    name="phi4_kink",
    domain=line,
    lagrangian=phi.diff(t) ** 2 / 2 - phi.diff(x) ** 2 / 2 - (phi**2 - 1) ** 2 / 4,
    integrator=Leapfrog(steps=8, dt=0.1),
    readout=stress_energy(),
)
