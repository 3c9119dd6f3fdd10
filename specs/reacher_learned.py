"""Arm of two joints with a learned correction: the Lagrangian of `specs/reacher.py` less a potential V(q, r).

V is a network of the sine and cosine of the shoulder, which may turn round and round, and of the angle of the elbow,
which has a stop. It is what springs, cables or cogging do that the formula has no term for: forces of the angles alone.
What the weights u and v can do V can do as well, so that a motion tells the sum of the three and no more.

Reference: M. W. Spong, S. Hutchinson, M. Vidyasagar (2006), Robot Modeling and Control, section 7.4.
"""

import sympy as sp

from metrigen import RK4, Field, Input, Lattice, NeuralFunction, Param, System, energy_density, momentum, t

point = Lattice()
q, r = Field("q", point), Field("r", point)
f, g = Input("f", point, time_dependent=True), Input("g", point, time_dependent=True)
a, b = Param("a", positive=True, init=3.0), Param("b", positive=True, init=3.0)
c, k = Param("c", init=0.0), Param("k", init=0.0)
u, v = Param("u", init=0.0), Param("v", init=0.0)
V = NeuralFunction("V", sp.sin(q), sp.cos(q), r, hidden=(8,), activation="logcosh")
d_q, d_r = Param("d_q", nonnegative=True, init=0.1), Param("d_r", nonnegative=True, init=0.1)

turn, both = q.diff(t), q.diff(t) + r.diff(t)

system = System(
    name="reacher_learned",
    domain=point,
    lagrangian=a * turn**2 / 2
    + b * r.diff(t) ** 2 / 2
    + c * both**2 / 2
    + k * sp.cos(r) * turn * both
    - u * sp.sin(q)
    - v * sp.sin(q + r)
    + f * q
    + g * r
    - V,
    metric=lambda F, G: d_q * F[momentum(q)] * G[momentum(q)] + d_r * F[momentum(r)] * G[momentum(r)],
    integrator=RK4(steps=10, dt=0.02),
    readout=energy_density(),
)
