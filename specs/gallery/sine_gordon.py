"""Sine-Gordon field: phi_tt = phi_xx - sin phi, with the soliton 4 atan(exp(g (x - v t))), g = 1/sqrt(1 - v^2).

Reference: J. K. Perring, T. H. R. Skyrme (1962), A model unified field equation.
"""

import sympy as sp

from metrigen import Field, Lattice, Leapfrog, System, stress_energy, t

x = sp.Symbol("x", real=True)
line = Lattice(x, boundary="neumann", spacing=sp.Rational(1, 4))
phi = Field("phi", line)

system = System(
    name="sine_gordon",
    domain=line,
    lagrangian=phi.diff(t) ** 2 / 2 - phi.diff(x) ** 2 / 2 - (1 - sp.cos(phi)),
    integrator=Leapfrog(steps=8, dt=0.1),
    readout=stress_energy(),
)
