"""The structure laws of a system, in the order in which they are read."""

from __future__ import annotations

from metrigen.physics import brackets, metric
from metrigen.physics.derivation import Law
from metrigen.physics.state import State


def structure_laws(state: State) -> tuple[Law, ...]:
    """Legendre, bracket, metric and degeneracies: only the laws that apply. Raises StructureError where one fails."""
    system = state.system
    out = [] if state.legendre is None else [state.legendre]
    if state.bracket is not None:
        out.append(brackets.check_antisymmetry(state.bracket))
        out.append(brackets.check_jacobi(state.bracket, almost_poisson=system.almost_poisson))
    if state.metric is not None:
        out.append(metric.check_symmetry(state.metric, system.metric))
        out.append(metric.check_psd(state.metric, system.metric))
    if state.entropic is not None and state.metric is not None:
        out.append(metric.check_energy_degeneracy(state.metric, state.covectors, state.entropic))
        if state.bracket is not None:
            out.append(brackets.check_entropy_degeneracy(state.bracket, state.entropic))
    return tuple(out)
