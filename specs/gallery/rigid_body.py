"""Free rigid body on so(3)*: L' = L x Omega, Omega_i = L_i / I_i.

The Lie-Poisson bracket {F, G} = -L . (dF x dG) has the Casimir |L|^2.

Reference: J. E. Marsden, T. S. Ratiu (1999), Introduction to Mechanics and Symmetry, chapter 15.
"""

import sympy as sp

from metrigen import RK4, Field, Lattice, Param, System, energy_density

point = Lattice()
L = [Field(f"L{i}", point) for i in (1, 2, 3)]
inertia = [Param(f"I{i}", per="channel", positive=True, init=float(i)) for i in (1, 2, 3)]


def lie_poisson(F, G):
    return -sp.Matrix(L).dot(sp.Matrix([F[u] for u in L]).cross(sp.Matrix([G[u] for u in L])))


system = System(
    name="rigid_body",
    domain=point,
    fields=tuple(L),
    hamiltonian=sum(u**2 / (2 * i) for u, i in zip(L, inertia, strict=True)),
    bracket=lie_poisson,
    integrator=RK4(steps=8, dt=0.05),
    readout=energy_density(),
)
