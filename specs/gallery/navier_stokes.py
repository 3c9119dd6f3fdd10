"""Viscous, heat-conducting gas in one dimension: the ideal gas dynamics and a metric of viscosity and conduction.

A1(F) = D F_m - (u_x/T) F_s with weight mu T, A2(F) = D(F_s/T) with weight kappa T^2, u = m/rho. The derivatives of u
and F_s/T are indicated, so that the lattice takes differences of them: A(dH) = 0 there as well, energy is constant.

Reference: H. C. Oettinger, M. Grmela (1997), Dynamics and thermodynamics of complex fluids. II. Illustrations of a
general formalism.
"""

import sympy as sp

from metrigen import RK4, Dissipation, Field, Lattice, Param, System, energy_density, t

x = sp.Symbol("x", real=True)
line = Lattice(x)
rho = sp.Function("rho", positive=True)(t, x)
m, s = Field("m", line), Field("s", line)
mu, kappa = (Param(name, per="channel", nonnegative=True, init=0.1) for name in ("mu", "kappa"))
T, strain = rho * sp.exp(s / rho), sp.Derivative(m / rho, x)


def half(F, G):
    return sum(r * F[m] * G[r].diff(x) for r in (rho, m, s))


system = System(
    name="navier_stokes",
    domain=line,
    fields=(rho, m, s),
    hamiltonian=m**2 / (2 * rho) + rho**2 * sp.exp(s / rho),
    entropy=s,
    bracket=lambda F, G: half(G, F) - half(F, G),
    metric=Dissipation(
        (mu * T, lambda F: F[m].diff(x) - strain / T * F[s]),
        (kappa * T**2, lambda F: sp.Derivative(F[s] / T, x)),
    ),
    integrator=RK4(steps=8, dt=0.05),
    readout=energy_density(),
)
