"""Charge in a magnetic field across the plane, in position and velocity: {q_i, v_j} = delta_ij, {v1, v2} = B(q).

The field B = b0 + b1 q1 does no work, so the speed is constant; where b1 = 0 the orbit is a circle of period
2 pi / b0.

Reference: R. G. Littlejohn (1979), A guiding center Hamiltonian: a new approach.
"""

from metrigen import RK4, Field, Lattice, Param, System, energy_density

point = Lattice()
q1, q2, v1, v2 = (Field(name, point) for name in ("q1", "q2", "v1", "v2"))
b0, b1 = Param("b0", per="channel", init=1.0), Param("b1", per="channel", init=0.0)


def bracket(F, G):
    canonical = F[q1] * G[v1] - F[v1] * G[q1] + F[q2] * G[v2] - F[v2] * G[q2]
    return canonical + (b0 + b1 * q1) * (F[v1] * G[v2] - F[v2] * G[v1])


system = System(
    name="magnetic_charge",
    domain=point,
    fields=(q1, q2, v1, v2),
    hamiltonian=(v1**2 + v2**2) / 2,
    bracket=bracket,
    integrator=RK4(steps=8, dt=0.05),
    readout=energy_density(),
)
