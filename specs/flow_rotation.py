"""Equivariant Hamiltonian flow on the plane: as ``flow``, in a learned potential of the radius alone.

H = |p|^2/2 + V(|q|^2/2) is the same for every rotation of q and p together. The charge of that symmetry is
G = x p_y - y p_x, and {H, G} = 0; leapfrog keeps it, as it is bilinear. Points that a rotation takes to one another
are as probable as one another, for every weight.

Reference: D. J. Rezende, S. Racaniere, I. Higgins, P. Toth (2019), Equivariant Hamiltonian Flows.
"""

from metrigen import Field, Lattice, Leapfrog, NeuralFunction, Param, System, energy_density, t

point = Lattice()
x, y = Field("x", point), Field("y", point)
V = NeuralFunction("V", (x**2 + y**2) / 2, hidden=(32,), activation="logcosh")

system = System(
    name="flow_rotation",
    domain=point,
    lagrangian=(x.diff(t) ** 2 + y.diff(t) ** 2) / 2 - V,
    symmetries={"rotation": {x: -y, y: x}},
    integrator=Leapfrog(steps=3, dt=Param("dt", positive=True, init=0.4)),
    readout=energy_density(),
    volume_preserving=True,
)
