"""Compressible gas in one dimension: density rho, momentum m, entropy s, with its Lie-Poisson bracket.

The internal energy rho^2 exp(s/rho) gives the pressure rho^2 exp(s/rho) and sound waves of c^2 = 2 rho exp(s/rho).

Reference: P. J. Morrison, J. M. Greene (1980), Noncanonical Hamiltonian density formulation of hydrodynamics and ideal
magnetohydrodynamics.
"""

import sympy as sp

from metrigen import RK4, Field, Lattice, System, energy_density, t

x = sp.Symbol("x", real=True)
line = Lattice(x)
rho = sp.Function("rho", positive=True)(t, x)
m, s = Field("m", line), Field("s", line)


def half(F, G):
    return sum(r * F[m] * G[r].diff(x) for r in (rho, m, s))


system = System(
    name="gas",
    domain=line,
    fields=(rho, m, s),
    hamiltonian=m**2 / (2 * rho) + rho**2 * sp.exp(s / rho),
    bracket=lambda F, G: half(G, F) - half(F, G),
    integrator=RK4(steps=8, dt=0.05),
    readout=energy_density(),
)
