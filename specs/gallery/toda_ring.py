"""Three particles on a ring with exponential springs, in canonical variables: an integrable system.

Besides the energy and the total momentum, which the translation symmetry gives, p1 p2 p3 - p1 X23 - p2 X31 - p3 X12
is conserved, X12 = exp(q1 - q2) and so on.

Reference: M. Henon (1974), Integrals of the Toda lattice.
"""

import sympy as sp

from metrigen import Field, Lattice, Leapfrog, System, energy_density, t

point = Lattice()
q = [Field(f"q{i}", point) for i in (1, 2, 3)]

system = System(
    name="toda_ring",
    domain=point,
    lagrangian=sum(u.diff(t) ** 2 / 2 for u in q) - sum(sp.exp(q[i - 1] - q[i]) for i in range(3)),
    symmetries={"translation": dict.fromkeys(q, sp.S.One)},
    integrator=Leapfrog(steps=8, dt=0.05),
    readout=energy_density(),
)
