"""Particle in a double well: q'' = q - q^3.

The separatrix through the unstable point q = 0 is q(t) = sqrt(2) sech(t).

Reference: J. Guckenheimer, P. Holmes (1983), Nonlinear Oscillations, Dynamical Systems, and Bifurcations of Vector
Fields, section 2.2.
"""

from metrigen import Field, Lattice, Leapfrog, System, energy_density, t

point = Lattice()
q = Field("q", point)

system = System(
    name="double_well",
    domain=point,
    lagrangian=q.diff(t) ** 2 / 2 - (q**2 - 1) ** 2 / 4,
    integrator=Leapfrog(steps=8, dt=0.1),
    readout=energy_density(),
)
