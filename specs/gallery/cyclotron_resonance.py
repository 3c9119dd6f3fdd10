"""Charge in a magnetic field b and an electric field that turns with it: v' = b (v2, -v1) + E (cos w t, -sin w t).

From rest |v| = 2 E |sin((w - b) t/2) / (w - b)|: at resonance, w = b, it grows as E t without end.

Reference: E. O. Lawrence, M. S. Livingston (1932), The production of high speed light ions.
"""

import sympy as sp

from metrigen import Field, Lattice, Param, Strang, System, energy_density, t

point = Lattice()
q1, q2, v1, v2 = (Field(name, point) for name in ("q1", "q2", "v1", "v2"))
b, E, w = (Param(name, per="channel", init=value) for name, value in (("b", 1.0), ("E", 0.5), ("w", 1.0)))


def bracket(F, G):
    canonical = F[q1] * G[v1] - F[v1] * G[q1] + F[q2] * G[v2] - F[v2] * G[q2]
    return canonical + b * (F[v1] * G[v2] - F[v2] * G[v1])


system = System(
    name="cyclotron_resonance",
    domain=point,
    fields=(q1, q2, v1, v2),
    hamiltonian=(v1**2 + v2**2) / 2 - E * (sp.cos(w * t) * q1 - sp.sin(w * t) * q2),
    bracket=bracket,
    integrator=Strang(steps=8, dt=0.1),
    readout=energy_density(),
)
