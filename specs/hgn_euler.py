"""The physics of hgn stepped by Euler's explicit method, which keeps neither energy nor volume: a baseline.

H = |p|^2/2 + k |q|^2/2 + V(q) as in hgn, of which it differs by the integrator alone.
"""

from metrigen import ExplicitEuler, Field, Lattice, NeuralFunction, Param, System, energy_density, t

point = Lattice()
x, y = Field("x", point), Field("y", point)
V = NeuralFunction("V", x, y, hidden=(64,), activation="logcosh")
k = Param("k", positive=True, init=1.0)

system = System(
    name="hgn_euler",
    domain=point,
    lagrangian=(x.diff(t) ** 2 + y.diff(t) ** 2) / 2 - k * (x**2 + y**2) / 2 - V,
    integrator=ExplicitEuler(steps=2, dt=0.125),
    readout=energy_density(),
)
