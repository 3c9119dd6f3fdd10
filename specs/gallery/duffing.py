"""Duffing oscillator with hardening spring: q'' = -alpha q - beta q^3.

From rest at q = a the solution is the Jacobi function a cn(W t | m), W^2 = alpha + beta a^2, m = beta a^2 / (2 W^2).

Reference: G. Duffing (1918), Erzwungene Schwingungen bei veraenderlicher Eigenfrequenz.
"""

from metrigen import Field, Lattice, Leapfrog, Param, System, energy_density, t

point = Lattice()
q = Field("q", point)
alpha = Param("alpha", per="channel", positive=True, init=1.0)
beta = Param("beta", per="channel", nonnegative=True, init=1.0)

system = System(
    name="duffing",
    domain=point,
    lagrangian=q.diff(t) ** 2 / 2 - alpha * q**2 / 2 - beta * q**4 / 4,
    integrator=Leapfrog(steps=8, dt=0.1),
    readout=energy_density(),
)
