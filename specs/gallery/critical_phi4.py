"""The phi^4 theory behind critical regularisation, relaxing to the minimum of its free energy.

F = |grad phi|^2/2 + r phi^2/2 + lam phi^4/4: below the transition, r < 0, the field orders at phi^2 = -r/lam.

Reference: D. Oprisa, P. Toth (2017), Criticality & Deep Learning II: Momentum Renormalisation Group.
"""

import sympy as sp

from metrigen import Dissipation, ExplicitEuler, Field, Lattice, Param, System, energy_density, grad

x, y = sp.symbols("x y", real=True)
grid = Lattice(x, y)
phi = Field("phi", grid)
r = Param("r", per="channel", init=-0.5)
lam = Param("lam", per="channel", positive=True, init=1.0)

system = System(
    name="critical_phi4",
    domain=grid,
    fields=(phi,),
    hamiltonian=grad(phi).square / 2 + r * phi**2 / 2 + lam * phi**4 / 4,
    metric=Dissipation((1, lambda F: F[phi])),
    integrator=ExplicitEuler(steps=8, dt=0.1),
    readout=energy_density(),
)
