"""The structure laws of a system, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Callable

from metrigen.physics import brackets, metric
from metrigen.physics.derivation import Law
from metrigen.physics.size import TooLarge
from metrigen.physics.state import State
from metrigen.physics.work_budget import LAW, limited


def structure_laws(state: State) -> tuple[Law, ...]:
    """Legendre, bracket, metric and degeneracies: only the laws that apply. Raises StructureError where one fails."""
    system = state.system
    out = [] if state.legendre is None else [state.legendre]
    bracket, dissipation, entropic = state.bracket, state.metric, state.entropic
    if bracket is not None:
        out.append(_within("antisymmetry", lambda: brackets.check_antisymmetry(bracket)))
        out.append(_within("jacobi", lambda: brackets.check_jacobi(bracket, almost_poisson=system.almost_poisson)))
    if dissipation is not None:
        out.append(_within("metric_symmetry", lambda: metric.check_symmetry(dissipation, system.metric)))
        out.append(_within("metric_psd", lambda: metric.check_psd(dissipation, system.metric)))
    if dissipation is not None and entropic is not None:
        check = lambda: metric.check_energy_degeneracy(dissipation, state.covectors, entropic)
        out.append(_within("energy_degeneracy", check))
        if bracket is not None:
            out.append(_within("entropy_degeneracy", lambda: brackets.check_entropy_degeneracy(bracket, entropic)))
    return tuple(out)


def _within(name: str, check: Callable[[], Law]) -> Law:
    """The law, or that it was not decided with the operations that a law may take."""
    try:
        with limited(LAW):
            return check()
    except TooLarge as error:
        return Law(name, "sampled", f"not decided: {error.short}")
