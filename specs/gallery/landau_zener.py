"""Two levels that cross at speed v with a coupling g: i c' = ((v t/2, g), (g, -v t/2)) c with c = a + i b.

Of an occupation that starts far below the crossing exp(-2 pi g^2 / v) stays on its level; the total is constant.

References: C. Zener (1932), Non-adiabatic crossing of energy levels; L. D. Landau (1932).
"""

from metrigen import Field, ImplicitMidpoint, Lattice, Param, System, canonical, energy_density, t

point = Lattice()
a1, a2, b1, b2 = (Field(name, point) for name in ("a1", "a2", "b1", "b2"))
v = Param("v", per="channel", positive=True, init=1.0)
g = Param("g", per="channel", init=0.4)

system = System(
    name="landau_zener",
    domain=point,
    fields=(a1, a2, b1, b2),
    hamiltonian=v * t * (a1**2 + b1**2 - a2**2 - b2**2) / 4 + g * (a1 * a2 + b1 * b2),
    bracket=canonical((a1, b1), (a2, b2)),
    integrator=ImplicitMidpoint(steps=8, dt=0.05),
    readout=energy_density(),
)
