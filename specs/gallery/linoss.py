"""LinOSS cell: forced harmonic oscillators y'' = -a y + B u as a state-space layer, u the input of the step.

Symplectic Euler is its implicit-explicit scheme, whose eigenvalues have modulus one for a dt^2 <= 4.

Reference: T. K. Rusch, D. Rus (2025), Oscillatory State-Space Models.
"""

from metrigen import Field, Input, Lattice, Param, SymplecticEuler, System, mix, t

point = Lattice()
y, u = Field("y", point), Input("u", point)
a = Param("a", per="channel", nonnegative=True, init=1.0)
B = Param("B", shape=("C", "C"))

system = System(
    name="linoss",
    domain=point,
    lagrangian=y.diff(t) ** 2 / 2 - a * y**2 / 2 + y * mix(B, u),
    integrator=SymplecticEuler(steps=1, dt=Param("dt", positive=True, init=0.1)),
)
