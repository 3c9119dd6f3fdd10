"""Drift waves, or Rossby waves on the beta plane: q_t + [psi, q] + beta psi_x = 0, q = lap psi - psi.

A plane wave exp(i(k.x - w t)) is an exact solution with w = -beta k_x / (1 + k^2); in a plasma psi is the potential and
beta the gradient of the density, in the atmosphere psi is the stream function and beta that of the rotation.

References: A. Hasegawa, K. Mima (1978), Pseudo-three-dimensional turbulence in magnetized nonuniform plasma;
A. Weinstein (1983), Hamiltonian structure for drift waves and geostrophic flow.
"""

import sympy as sp

from metrigen import RK4, Field, Lattice, Param, System, energy_density, grad

x, y = sp.symbols("x y", real=True)
plane = Lattice(x, y)
q, psi = Field("q", plane), Field("psi", plane)
beta = Param("beta", per="channel", init=1.0)


def bracket(F, G):
    drift = beta * F[q] * G[q].diff(x)  # int beta y [F_q, G_q], integrated by parts
    return q * (F[q].diff(x) * G[q].diff(y) - F[q].diff(y) * G[q].diff(x)) + drift


system = System(
    name="hasegawa_mima",
    domain=plane,
    fields=(q,),
    hamiltonian=(grad(psi).square + psi**2) / 2,
    constraints={psi: psi.diff(x, 2) + psi.diff(y, 2) - psi - q},
    bracket=bracket,
    integrator=RK4(steps=8, dt=0.1),
    readout=energy_density(),
)
