"""Which systems have a discrete form: everything else is derived, and refused here before anything is printed."""

from __future__ import annotations

from metrigen.errors import SpecError
from metrigen.spec.domain import Sequence
from metrigen.spec.system import System


def check_emitted(system: System) -> None:
    """Raise SpecError for a system whose derivation stands but whose layer cannot be emitted."""
    if isinstance(system.domain, Sequence):
        raise SpecError(
            "a layer on a sequence has no emitted form",
            part="domain",
            why="no kernel scans over the tokens; equations, laws and contraction are derived: see metrigen show",
            fix="Lattice() emits the step of one token, as specs/gallery/d_linoss.py does",
        )
