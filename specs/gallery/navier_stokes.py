"""Viscous, heat-conducting gas in one dimension: the ideal gas dynamics and a metric of viscosity and conduction.

A1(F) = D F_m - (u_x/T) F_s with weight mu T, A2(F) = T D(F_s/T) with weight kappa, u = m/rho. The entropy int s
grows; mass, momentum and energy are constant (on the lattice the last two up to the order of the stencil).

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
T, strain = rho * sp.exp(s / rho), (m / rho).diff(x)


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
        (kappa, lambda F: F[s].diff(x) - (sp.log(rho) + s / rho).diff(x) * F[s]),
    ),
    integrator=RK4(steps=8, dt=0.05),
    readout=energy_density(),
)
