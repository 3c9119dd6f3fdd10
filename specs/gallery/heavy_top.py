"""Heavy top on e(3)*: L' = L x Omega + m g chi x Gamma, Gamma' = Gamma x Omega, chi along the third axis.

Casimirs |Gamma|^2 and L . Gamma; in the symmetric case I1 = I2 the component L3 is conserved as well.

Reference: J. E. Marsden, T. S. Ratiu, A. Weinstein (1984), Semidirect products and reduction in mechanics.
"""

import sympy as sp

from metrigen import RK4, Field, Lattice, Param, System, energy_density

point = Lattice()
L = [Field(f"L{i}", point) for i in (1, 2, 3)]
G3 = [Field(f"G{i}", point) for i in (1, 2, 3)]
I1, I3 = Param("I1", per="channel", positive=True, init=1.0), Param("I3", per="channel", positive=True, init=0.5)
weight = Param("weight", per="channel", positive=True, init=1.0)


def lie_poisson(F, G):
    fl, fg = sp.Matrix([F[u] for u in L]), sp.Matrix([F[u] for u in G3])
    gl, gg = sp.Matrix([G[u] for u in L]), sp.Matrix([G[u] for u in G3])
    return -sp.Matrix(L).dot(fl.cross(gl)) - sp.Matrix(G3).dot(fl.cross(gg) + fg.cross(gl))


system = System(
    name="heavy_top",
    domain=point,
    fields=(*L, *G3),
    hamiltonian=(L[0] ** 2 + L[1] ** 2) / (2 * I1) + L[2] ** 2 / (2 * I3) + weight * G3[2],
    bracket=lie_poisson,
    integrator=RK4(steps=8, dt=0.05),
    readout=energy_density(),
)
