"""Oscillator in a trap that is moved: q'' = -w2 (q - X), the place X handed in for every step.

From rest in a trap that leaves at speed v: q = v t - (v/w) sin(w t). After whole periods it is at rest again.

Reference: R. Couvert et al. (2008), Optimal transport of ultracold atoms in the non-adiabatic regime.
"""

from metrigen import Field, Input, Lattice, Leapfrog, Param, System, energy_density, t

point = Lattice()
q = Field("q", point)
X = Input("X", point, time_dependent=True)
w2 = Param("w2", per="channel", positive=True, init=1.0)

system = System(
    name="moving_trap",
    domain=point,
    lagrangian=q.diff(t) ** 2 / 2 - w2 * (q - X) ** 2 / 2,
    integrator=Leapfrog(steps=8, dt=0.1),
    readout=energy_density(),
)
