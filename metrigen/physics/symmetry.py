"""Currents of declared symmetries."""

from __future__ import annotations

import sympy as sp

from metrigen.physics.derivation import Law
from metrigen.physics.state import State


def currents(state: State) -> tuple[dict[str, tuple[sp.Expr, ...]], Law | None]:
    if state.system.symmetries:
        raise NotImplementedError
    return {}, None
