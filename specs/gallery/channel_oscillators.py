"""Oscillators coupled across channels by a symmetric matrix: q'' = -w2 q - K q.

The normal modes are the eigenvectors of K, of frequencies sqrt(w2 + eigenvalue).

Reference: H. Goldstein, C. Poole, J. Safko (2002), Classical Mechanics, chapter 6.
"""

from metrigen import Field, Lattice, Leapfrog, Param, System, energy_density, mix, t

point = Lattice()
q = Field("q", point)
w2 = Param("w2", positive=True, init=2.0)
K = Param("K", shape=("C", "C"), symmetric=True)

system = System(
    name="channel_oscillators",
    domain=point,
    lagrangian=q.diff(t) ** 2 / 2 - w2 * q**2 / 2 - q * mix(K, q) / 2,
    integrator=Leapfrog(steps=8, dt=0.1),
    readout=energy_density(),
)
