"""The phi^4 theory in two dimensions in a bath: damped waves with noise that sample exp(-H/T) on a periodic lattice.

H = pi^2/2 + |grad phi|^2/2 + r phi^2/2 + lam phi^4/4. With T = 1 the fields are those of the lattice action of bare
mass squared r and coupling lam; with r = -lam they are soft spins, an Ising-like model at the temperature T. The
momenta move the field and take no part in its averages; they carry long waves faster than diffusion.

References: D. Schaich, W. Loinaz (2009), Physical Review D 79, 056008; B. Leimkuhler, C. Matthews (2013), Applied
Mathematics Research eXpress 2013, 34-56 (the splitting ABOBA).
"""

import sympy as sp

from metrigen import Field, Lattice, Param, Strang, System, energy_density, friction, grad, momentum, t

x, y = sp.symbols("x y", real=True)
grid = Lattice(x, y)

phi = Field("phi", grid)
r = Param("r", per="channel", init=-1.0)
lam = Param("lam", per="channel", positive=True, init=1.0)
gamma = Param("gamma", per="channel", positive=True, init=0.5)
T = Param("T", per="channel", positive=True, init=1.0)

system = System(
    name="criticality",
    domain=grid,
    lagrangian=phi.diff(t) ** 2 / 2 - grad(phi).square / 2 - r * phi**2 / 2 - lam * phi**4 / 4,
    metric=friction(gamma, momentum(phi)),
    temperature=T,
    integrator=Strang(steps=8, dt=0.25),
    readout=energy_density(),
)
