"""Two oscillators joined by a spring: normal modes of frequencies w and sqrt(w^2 + 2 kappa).

Reference: H. Goldstein, C. Poole, J. Safko (2002), Classical Mechanics, chapter 6.
"""

from metrigen import Field, Lattice, Leapfrog, Param, System, energy_density, t

point = Lattice()
q1, q2 = Field("q1", point), Field("q2", point)
w2 = Param("w2", per="channel", positive=True, init=1.0)
kappa = Param("kappa", per="channel", nonnegative=True, init=0.5)

system = System(
    name="coupled_oscillators",
    domain=point,
    lagrangian=(q1.diff(t) ** 2 + q2.diff(t) ** 2) / 2 - w2 * (q1**2 + q2**2) / 2 - kappa * (q1 - q2) ** 2 / 2,
    integrator=Leapfrog(steps=8, dt=0.1),
    readout=energy_density(),
)
