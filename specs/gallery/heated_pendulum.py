"""Pendulum in a closed box: air drag heats the air, whose energy is c exp(s/c) at entropy s; T = exp(s/c).

The splitting does the drag exactly, p -> p exp(-gamma h) with c exp(s/c) growing by the kinetic energy that is lost:
the total energy stays within the error of the undamped splitting, however strong the drag, and s never falls.

Reference: X. Shang, H. C. Oettinger (2020), Structure-preserving integrators for dissipative systems based on
reversible-irreversible splitting.
"""

import sympy as sp

from metrigen import Field, Lattice, Param, Strang, System, canonical, energy_density, friction_to_heat

point = Lattice()
q, p, s = (Field(name, point) for name in ("q", "p", "s"))
w2, c = (Param(name, per="channel", positive=True, init=1.0) for name in ("w2", "c"))
gamma = Param("gamma", per="channel", nonnegative=True, init=0.2)
energy = p**2 / 2 + w2 * (1 - sp.cos(q)) + c * sp.exp(s / c)

system = System(
    name="heated_pendulum",
    domain=point,
    fields=(q, p, s),
    hamiltonian=energy,
    entropy=s,
    bracket=canonical((q, p)),
    metric=friction_to_heat(gamma, p, s, energy, temperature=sp.exp(s / c)),
    integrator=Strang(steps=8, dt=0.1),
    readout=energy_density(),
)
