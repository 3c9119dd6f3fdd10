"""Step limits."""

from __future__ import annotations

import sympy as sp

from metrigen.physics.derivation import Derivation


def step_limit(derivation: Derivation) -> sp.Expr | None:
    return None
