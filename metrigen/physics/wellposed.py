"""Well-posedness."""

from __future__ import annotations

from metrigen.physics.derivation import Law
from metrigen.physics.state import State


def check_well_posed(state: State) -> tuple[Law, ...]:
    return ()
