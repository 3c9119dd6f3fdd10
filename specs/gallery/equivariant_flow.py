"""Hamiltonian flow that commutes with a rotation of (q1, q2): a flow on data with a declared O(2) symmetry.

The charge G = q1 p2 - q2 p1 of the symmetry is conserved, {H, G} = 0, also where channels are coupled.

Reference: D. J. Rezende, S. Racaniere, I. Higgins, P. Toth (2019), Equivariant Hamiltonian Flows.
"""

from metrigen import Field, Lattice, Leapfrog, Param, System, energy_density, mix, t

point = Lattice()
q1, q2 = Field("q1", point), Field("q2", point)
a, b = Param("a", per="channel", init=1.0), Param("b", per="channel", positive=True, init=0.5)
K = Param("K", shape=("C", "C"), symmetric=True)
square = q1**2 + q2**2

system = System(
    name="equivariant_flow",
    domain=point,
    lagrangian=(q1.diff(t) ** 2 + q2.diff(t) ** 2) / 2
    - a * square / 2
    - b * square**2 / 4
    - (q1 * mix(K, q1) + q2 * mix(K, q2)) / 2,
    symmetries={"rotation": {q1: -q2, q2: q1}},
    integrator=Leapfrog(steps=8, dt=0.1),
    readout=energy_density(),
)
