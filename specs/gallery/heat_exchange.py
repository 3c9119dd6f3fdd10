"""Two bodies exchange heat: e1' = kappa (T2 - T1) = -e2', T = e/c.

The energy is constant, the entropy c1 log e1 + c2 log e2 grows, T1 - T2 decays as exp(-kappa (1/c1 + 1/c2) t).

Reference: H. C. Oettinger (2005), Beyond Equilibrium Thermodynamics.
"""

import sympy as sp

from metrigen import RK4, Dissipation, Lattice, Param, System, energy_density, t

point = Lattice()
e1, e2 = (sp.Function(name, positive=True)(t) for name in ("e1", "e2"))
c1, c2 = (Param(name, per="channel", positive=True, init=1.0) for name in ("c1", "c2"))
kappa = Param("kappa", per="channel", positive=True, init=0.5)

system = System(
    name="heat_exchange",
    domain=point,
    fields=(e1, e2),
    hamiltonian=e1 + e2,
    entropy=c1 * sp.log(e1) + c2 * sp.log(e2),
    metric=Dissipation((kappa * e1 * e2 / (c1 * c2), lambda F: F[e1] - F[e2])),
    integrator=RK4(steps=8, dt=0.05),
    readout=energy_density(),
)
