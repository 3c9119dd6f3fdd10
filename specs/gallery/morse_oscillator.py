"""Vibration of a diatomic molecule in the potential of Morse, V = D (1 - exp(-a q))^2, up to near its dissociation.

An orbit of energy E < D has the frequency a sqrt(2 (D - E)), which falls to zero at the threshold: there a method
whose energy drifts breaks the bond or forms it. The discrete gradient keeps E to rounding at every step.

Reference: P. M. Morse (1929), Diatomic molecules according to the wave mechanics II. Vibrational levels.
"""

import sympy as sp

from metrigen import DiscreteGradient, Field, Lattice, Param, System, canonical, energy_density

point = Lattice()
q, p = Field("q", point), Field("p", point)
D, a = Param("D", per="channel", positive=True, init=1.0), Param("a", per="channel", positive=True, init=1.0)

system = System(
    name="morse_oscillator",
    domain=point,
    fields=(q, p),
    hamiltonian=p**2 / 2 + D * (1 - sp.exp(-a * q)) ** 2,
    bracket=canonical((q, p)),
    integrator=DiscreteGradient(steps=4, dt=0.2),
    readout=energy_density(),
)
