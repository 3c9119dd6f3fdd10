"""Vlasov equation of charges in a prescribed potential: f_t + (v - u) f_x - phi_x f_v = 0 in the phase plane (x, v).

H = int f ((v - u)^2/2 + phi), {F, G} = int f [F_f, G_f]; int c(f) are Casimirs. The potential is an input, not the
solution of -phi_xx = int f dv - 1: an integral over v alone has no place in a density. Coordinates are positive on a
lattice, so u is the middle of the velocity axis. A function of (v - u)^2/2 + phi is at rest.

References: A. A. Vlasov (1938), The vibrational properties of an electron gas; P. J. Morrison (1980), The
Maxwell-Vlasov equations as a continuous Hamiltonian system.
"""

import sympy as sp

from metrigen import RK4, Field, Input, Lattice, Param, System, energy_density

x, v = sp.symbols("x v", real=True)
phase = Lattice(x, v, spacing=sp.Rational(1, 4))
f = Field("f", phase)
phi = Input("phi", Lattice(x))
u = Param("u", init=5.0)

system = System(
    name="vlasov",
    domain=phase,
    fields=(f,),
    hamiltonian=f * ((v - u) ** 2 / 2 + phi),
    bracket=lambda F, G: f * (F[f].diff(x) * G[f].diff(v) - F[f].diff(v) * G[f].diff(x)),
    integrator=RK4(steps=8, dt=0.02),
    readout=energy_density(),
)
