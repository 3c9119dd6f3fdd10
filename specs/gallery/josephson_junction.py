"""Overdamped Josephson junction: phi' = I - sin phi, the current I handed in for every step.

Above I = 1 the phase runs, at the mean speed sqrt(I^2 - 1). An oscillating part of frequency w locks it to n w.

Reference: S. Shapiro (1963), Josephson currents in superconducting tunneling: the effect of microwaves.
"""

import sympy as sp

from metrigen import RK4, Dissipation, Field, Input, Lattice, System, energy_density

point = Lattice()
phi = Field("phi", point)
I = Input("I", point, time_dependent=True)

system = System(
    name="josephson_junction",
    domain=point,
    fields=(phi,),
    hamiltonian=-sp.cos(phi) - I * phi,
    metric=Dissipation((1, lambda F: F[phi])),
    integrator=RK4(steps=8, dt=0.1),
    readout=energy_density(),
)
