"""Arm of two joints in a plane, a torque on each joint for every step: what a planar robot arm of any size is.

L = a q'^2/2 + b r'^2/2 + c (q' + r')^2/2 + k cos(r) q' (q' + r') - u sin q - v sin(q + r) + f q + g r

with the angles q of the shoulder and r of the elbow, friction on both. a and b are what a joint and its motor turn by
themselves (a with the elbow and all beyond it as a point mass), c the second link about the elbow, k the length of the
first link times the mass moment of the second, u and v the weights of the links where the arm stands upright. The
component of gravity along the axes of the joints does no work, so no number of this spec has it.

Reference: M. W. Spong, S. Hutchinson, M. Vidyasagar (2006), Robot Modeling and Control, section 7.4.
"""

import sympy as sp

from metrigen import RK4, Field, Input, Lattice, Param, System, energy_density, momentum, t

point = Lattice()
q, r = Field("q", point), Field("r", point)
f, g = Input("f", point, time_dependent=True), Input("g", point, time_dependent=True)
a, b = Param("a", positive=True, init=3.0), Param("b", positive=True, init=3.0)
c, k = Param("c", init=0.0), Param("k", init=0.0)
u, v = Param("u", init=0.0), Param("v", init=0.0)
d_q, d_r = Param("d_q", nonnegative=True, init=0.1), Param("d_r", nonnegative=True, init=0.1)

turn, both = q.diff(t), q.diff(t) + r.diff(t)

system = System(
    name="reacher",
    domain=point,
    lagrangian=a * turn**2 / 2
    + b * r.diff(t) ** 2 / 2
    + c * both**2 / 2
    + k * sp.cos(r) * turn * both
    - u * sp.sin(q)
    - v * sp.sin(q + r)
    + f * q
    + g * r,
    metric=lambda F, G: d_q * F[momentum(q)] * G[momentum(q)] + d_r * F[momentum(r)] * G[momentum(r)],
    integrator=RK4(steps=10, dt=0.02),
    readout=energy_density(),
)
