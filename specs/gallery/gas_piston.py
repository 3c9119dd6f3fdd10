"""Two gases on both sides of a piston at 0 < q < 2 exchange work and heat.

Energies exp(s1)/q and exp(s2)/(2 - q) with temperatures T1, T2 of the same form; s1' = alpha (T2 - T1)/T1. The total
energy is constant and s1 + s2 grows.

Reference: X. Shang, H. C. Oettinger (2020), Structure-preserving integrators for dissipative systems based on
reversible-irreversible splitting.
"""

import sympy as sp

from metrigen import RK4, Dissipation, Field, Lattice, Param, System, canonical, energy_density, t

point = Lattice()
q = sp.Function("q", positive=True)(t)
p, s1, s2 = (Field(name, point) for name in ("p", "s1", "s2"))
alpha = Param("alpha", per="channel", nonnegative=True, init=0.5)
T1, T2 = sp.exp(s1) / q, sp.exp(s2) / (2 - q)

system = System(
    name="gas_piston",
    domain=point,
    fields=(q, p, s1, s2),
    hamiltonian=p**2 / 2 + T1 + T2,
    entropy=s1 + s2,
    bracket=canonical((q, p)),
    metric=Dissipation((alpha * T1 * T2, lambda F: F[s1] / T1 - F[s2] / T2)),
    integrator=RK4(steps=8, dt=0.02),
    readout=energy_density(),
)
