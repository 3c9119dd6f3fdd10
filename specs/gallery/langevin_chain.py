"""Chain of oscillators in a bath: q'' = q_xx - k q - gamma q' + noise, which comes to the temperature T.

Every momentum has the mean energy T/2, and so has every wave of the chain: equipartition.

References: P. Langevin (1908), Comptes Rendus 146, 530-533; B. Leimkuhler, C. Matthews (2013), Applied Mathematics
Research eXpress 2013, 34-56 (the splitting ABOBA).
"""

import sympy as sp

from metrigen import Field, Lattice, Param, Strang, System, energy_density, friction, grad, momentum, t

x = sp.Symbol("x", real=True)
chain = Lattice(x, boundary="periodic")
q = Field("q", chain)
k = Param("k", per="channel", positive=True, init=0.5)
gamma = Param("gamma", per="channel", positive=True, init=0.5)
T = Param("T", positive=True, init=0.3)

system = System(
    name="langevin_chain",
    domain=chain,
    lagrangian=q.diff(t) ** 2 / 2 - grad(q).square / 2 - k * q**2 / 2,
    metric=friction(gamma, momentum(q)),
    temperature=T,
    integrator=Strang(steps=8, dt=0.2),
    readout=energy_density(),
)
