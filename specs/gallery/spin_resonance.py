"""Spin in a steady field b and a weak one that turns: S' = S x B, B = (h cos w t, -h sin w t, b).

From S = (0, 0, 1) the third component is 1 - 2 (h/W)^2 sin^2(W t/2) with W^2 = (b - w)^2 + h^2: at w = b it flips.

Reference: I. I. Rabi (1937), Space quantization in a gyrating magnetic field.
"""

import sympy as sp

from metrigen import Field, ImplicitMidpoint, Lattice, Param, System, energy_density, t

point = Lattice()
S1, S2, S3 = (Field(name, point) for name in ("S1", "S2", "S3"))
b, h, w = (Param(name, per="channel", init=value) for name, value in (("b", 1.0), ("h", 0.1), ("w", 1.0)))


def bracket(F, G):
    """S . (dF x dG)"""
    first = S1 * (F[S2] * G[S3] - F[S3] * G[S2])
    return first + S2 * (F[S3] * G[S1] - F[S1] * G[S3]) + S3 * (F[S1] * G[S2] - F[S2] * G[S1])


system = System(
    name="spin_resonance",
    domain=point,
    fields=(S1, S2, S3),
    hamiltonian=-(h * sp.cos(w * t) * S1 - h * sp.sin(w * t) * S2 + b * S3),
    bracket=bracket,
    casimirs={"length": S1**2 + S2**2 + S3**2},
    integrator=ImplicitMidpoint(steps=8, dt=0.1),
    readout=energy_density(),
)
