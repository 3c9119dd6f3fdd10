"""The stress-energy tensor of a system, with its off-shell identity checked."""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.errors import StructureError
from metrigen.physics import channels, noether
from metrigen.physics.derivation import Law
from metrigen.physics.report import show, witness
from metrigen.physics.state import State
from metrigen.physics.zero import is_zero

Tensor = dict[tuple[sp.Symbol, sp.Symbol], sp.Expr]


def tensor_of(state: State) -> tuple[Tensor, Law]:
    """T^mu_nu: canonical from the Lagrangian; of L = -F for a gradient flow; energy density and flux otherwise."""
    if state.lagrangian is not None:
        return _canonical(state.lagrangian, state.lagrangian_fields, state, "")
    if state.bracket is None:
        return _canonical(-state.hamiltonian, state.fields, state, " of the static Lagrangian L = -F")
    return _energy_flux(state)


def _canonical(
    lagrangian: sp.Expr, fields: Sequence[AppliedUndef], state: State, note: str
) -> tuple[Tensor, Law]:
    tensor = noether.stress_energy(lagrangian, fields, state.coordinates)
    for nu in state.coordinates:
        defect = noether.divergence_defect(tensor, lagrangian, fields, state.coordinates, nu)
        if not is_zero(defect, summed=True):
            raise StructureError(
                "the stress-energy tensor violates its balance law",
                law="noether",
                residual=sp.expand(defect),
                part="lagrangian",
                why=f"D_mu T^mu_{nu} + E u_{nu} + explicit = {show(defect)}",
                witness=witness(defect),
            )
    how = f"D_mu T^mu_nu = -E_a u_a,nu - explicit holds off shell{note}"
    if channels.has_maps(lagrangian):
        how += ", summed over the channels (written out channel by channel)"
    return tensor, Law("noether", "proved", how)


def _energy_flux(state: State) -> tuple[Tensor, Law]:
    """D_t T^t_t + D_i T^i_t = dH.R + dh/dt, R the dissipative part of the rates."""
    raise NotImplementedError
