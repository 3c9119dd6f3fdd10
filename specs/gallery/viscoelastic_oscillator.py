"""Mass on a Zener spring that heats itself: q elongation, a the elongation of the dashpot, e internal energy.

a' = k1 (q - a)/eta, p' = -k0 q - k1 (q - a), e' = k1^2 (q - a)^2/eta; the energy is constant, log e grows.

Reference: A. Mielke (2011), Formulation of thermoelastic dissipative material behavior using GENERIC.
"""

import sympy as sp

from metrigen import RK4, Field, Lattice, Param, System, canonical, energy_density, friction_to_heat, t

point = Lattice()
q, p, a = (Field(name, point) for name in ("q", "p", "a"))
e = sp.Function("e", positive=True)(t)
k0, k1, eta = (Param(name, per="channel", positive=True, init=1.0) for name in ("k0", "k1", "eta"))
energy = p**2 / 2 + k0 * q**2 / 2 + k1 * (q - a) ** 2 / 2 + e

system = System(
    name="viscoelastic_oscillator",
    domain=point,
    fields=(q, p, a, e),
    hamiltonian=energy,
    entropy=sp.log(e),
    bracket=canonical((q, p)),
    metric=friction_to_heat(1 / eta, a, e, energy, temperature=e),
    integrator=RK4(steps=8, dt=0.05),
    readout=energy_density(),
)
