"""Which systems have a discrete form: everything else is derived, and refused here before anything is printed."""

from __future__ import annotations

from metrigen.errors import SpecError
from metrigen.spec.domain import Sequence
from metrigen.spec.system import System


def check_emitted(system: System) -> None:
    """Raise SpecError for a system whose derivation stands but whose layer cannot be emitted."""
    if isinstance(system.domain, Sequence) and system.integrator is None:
        raise SpecError(
            "a layer on a sequence takes Exponential()",
            part="name",
            why="a token is one exact step of linear dynamics",
            fix="integrator=Exponential(), with dt= a number, a Param or an Input with a value a token",
        )
