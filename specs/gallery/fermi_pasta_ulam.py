"""The alpha chain: springs V(r) = r^2/2 + alpha r^3/3, r the difference of neighbours.

Started in its longest mode it shares the energy among a few modes only and returns almost to where it began.

Reference: E. Fermi, J. Pasta, S. Ulam (1955), Studies of nonlinear problems.
"""

import sympy as sp

from metrigen import Field, Lattice, Leapfrog, Param, System, energy_density, t

x = sp.Symbol("x", real=True)
chain = Lattice(x, boundary="periodic")
q = Field("q", chain)
alpha = Param("alpha", init=0.25)

system = System(
    name="fermi_pasta_ulam",
    domain=chain,
    lagrangian=q.diff(t) ** 2 / 2 - q.diff(x) ** 2 / 2 - alpha * q.diff(x) ** 3 / 3,
    symmetries={"translation": {q: sp.S.One}},
    integrator=Leapfrog(steps=8, dt=0.1),
    readout=energy_density(),
)
