"""Rigid body that relaxes at constant energy: its Casimir |L|^2/2 serves as entropy, the 4-bracket as metric.

The body ends in rotation about its axis of largest inertia, where |L|^2 is largest at given energy.

Reference: P. J. Morrison (1986), A paradigm for joined Hamiltonian and dissipative systems.
"""

import sympy as sp

from metrigen import RK4, Field, Lattice, Param, System, energy_density, kulkarni_nomizu

point = Lattice()
L = [Field(f"L{i}", point) for i in (1, 2, 3)]
inertia = [Param(f"I{i}", per="channel", positive=True, init=float(i)) for i in (1, 2, 3)]
rate = Param("rate", per="channel", positive=True, init=1.0)
energy = sum(u**2 / (2 * i) for u, i in zip(L, inertia, strict=True))


def lie_poisson(F, G):
    return -sp.Matrix(L).dot(sp.Matrix([F[u] for u in L]).cross(sp.Matrix([G[u] for u in L])))


system = System(
    name="relaxing_rigid_body",
    domain=point,
    fields=tuple(L),
    hamiltonian=energy,
    entropy=sum(u**2 for u in L) / 2,
    bracket=lie_poisson,
    metric=kulkarni_nomizu(energy, L, mu=[rate / 2] * 3),
    integrator=RK4(steps=8, dt=0.05),
    readout=energy_density(),
)
