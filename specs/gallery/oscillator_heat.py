"""Damped oscillator whose lost energy heats a body of energy e and heat capacity c: both generators.

q' = p, p' = -k q - gamma p, e' = gamma p^2: the energy p^2/2 + k q^2/2 + e is constant, the entropy c log e grows.

Reference: X. Shang, H. C. Oettinger (2020), Structure-preserving integrators for dissipative systems based on
reversible-irreversible splitting.
"""

import sympy as sp

from metrigen import RK4, Field, Lattice, Param, System, canonical, energy_density, friction_to_heat, t

point = Lattice()
q, p = Field("q", point), Field("p", point)
e = sp.Function("e", positive=True)(t)
k, c = Param("k", per="channel", positive=True, init=1.0), Param("c", per="channel", positive=True, init=1.0)
gamma = Param("gamma", per="channel", nonnegative=True, init=0.2)
energy = p**2 / 2 + k * q**2 / 2 + e

system = System(
    name="oscillator_heat",
    domain=point,
    fields=(q, p, e),
    hamiltonian=energy,
    entropy=c * sp.log(e),
    bracket=canonical((q, p)),
    metric=friction_to_heat(gamma, p, e, energy, temperature=e / c),
    integrator=RK4(steps=8, dt=0.05),
    readout=energy_density(),
)
