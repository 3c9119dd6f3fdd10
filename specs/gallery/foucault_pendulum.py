"""Pendulum on a turning Earth: the two channels are the horizontal coordinates, the Coriolis force turns the momenta.

q'' = -w2 q + B q' with B antisymmetric and constant. For B = [[0, b], [-b, 0]] the modes are circular, of frequencies
sqrt(w2 + b^2/4) -+ b/2, and the plane of oscillation turns at the rate b/2.

Reference: L. D. Landau, E. M. Lifshitz (1976), Mechanics, section 39.
"""

from metrigen import Field, Lattice, Param, Strang, System, energy_density, mix, momentum, t

point = Lattice()
q = Field("q", point)
p = momentum(q)
w2 = Param("w2", positive=True, init=1.0)
B = Param("B", shape=("C", "C"), antisymmetric=True)

system = System(
    name="foucault_pendulum",
    domain=point,
    lagrangian=q.diff(t) ** 2 / 2 - w2 * q**2 / 2,
    bracket=lambda F, G: F[q] * G[p] - F[p] * G[q] + F[p] * mix(B, G[p]),
    integrator=Strang(steps=8, dt=0.1),
    readout=energy_density(),
)
