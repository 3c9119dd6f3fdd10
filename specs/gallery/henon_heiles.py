"""Star in a galactic potential: V = (x^2 + y^2)/2 + x^2 y - y^3/3, regular or chaotic by its energy.

Below the energy 1/6 every orbit stays bounded.

Reference: M. Henon, C. Heiles (1964), The applicability of the third integral of motion: some numerical experiments.
"""

from metrigen import Field, Lattice, Leapfrog, System, energy_density, t

point = Lattice()
q1, q2 = Field("q1", point), Field("q2", point)

system = System(
    name="henon_heiles",
    domain=point,
    lagrangian=(q1.diff(t) ** 2 + q2.diff(t) ** 2) / 2 - (q1**2 + q2**2) / 2 - q1**2 * q2 + q2**3 / 3,
    integrator=Leapfrog(steps=8, dt=0.1),
    readout=energy_density(),
)
