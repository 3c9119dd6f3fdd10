"""Soft spins in a bath: phi_t = -dF/dphi + noise, F = |grad phi|^2/2 + w (phi^2 - 1)^2/4, an Ising-like ferromagnet.

The relaxation of an order parameter that nothing conserves (model A). It orders below a critical temperature; with
phi = T^(1/2) psi its states are those of the lattice phi^4 theory of bare mass squared -w and coupling w T, whose
critical line is known. At every site the mean of phi dF/dphi is T.

References: P. C. Hohenberg, B. I. Halperin (1977), Reviews of Modern Physics 49, 435-479; D. Schaich, W. Loinaz (2009),
Physical Review D 79, 056008.
"""

import sympy as sp

from metrigen import Dissipation, ExplicitEuler, Field, Lattice, Param, System, energy_density, grad

x, y = sp.symbols("x y", real=True)
grid = Lattice(x, y)
phi = Field("phi", grid)
w = Param("w", per="channel", positive=True, init=1.27251)
T = Param("T", per="channel", positive=True, init=0.78585)

system = System(
    name="soft_spins",
    domain=grid,
    fields=(phi,),
    hamiltonian=grad(phi).square / 2 + w * (phi**2 - 1) ** 2 / 4,
    metric=Dissipation((1, lambda F: F[phi])),
    temperature=T,
    integrator=ExplicitEuler(steps=8, dt=0.05),
    readout=energy_density(),
)
