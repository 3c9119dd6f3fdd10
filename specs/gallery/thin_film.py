"""Viscous film of height u spreading by surface tension: u_t = -(u^3 u_xxx)_x.

A ripple of wave number k on height one decays at the rate k^4.

Reference: F. Bernis, A. Friedman (1990), Higher order nonlinear degenerate parabolic equations.
"""

import sympy as sp

from metrigen import ExplicitEuler, Lattice, System, diffusion, energy_density, t

x = sp.Symbol("x", real=True)
line = Lattice(x)
u = sp.Function("u", positive=True)(t, x)

system = System(
    name="thin_film",
    domain=line,
    fields=(u,),
    hamiltonian=u.diff(x) ** 2 / 2,
    metric=diffusion(u**3, u),
    integrator=ExplicitEuler(steps=8, dt=0.02),
    readout=energy_density(),
)
