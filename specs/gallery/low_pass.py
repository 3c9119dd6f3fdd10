"""Resistor and capacitor: tau u' = v - u, the voltage v handed in for every step.

It passes cos(w t) with the gain 1 / sqrt(1 + (w tau)^2) and the phase -arctan(w tau).

Reference: P. Horowitz, W. Hill (2015), The Art of Electronics, section 1.7.
"""

from metrigen import RK4, Dissipation, Field, Input, Lattice, Param, System, energy_density

point = Lattice()
u = Field("u", point)
v = Input("v", point, time_dependent=True)
tau = Param("tau", per="channel", positive=True, init=1.0)

system = System(
    name="low_pass",
    domain=point,
    fields=(u,),
    hamiltonian=(u - v) ** 2 / 2,
    metric=Dissipation((1 / tau, lambda F: F[u])),
    integrator=RK4(steps=8, dt=0.1),
    readout=energy_density(),
)
