"""The exact flow of linear dynamics with its drive held over a step: x <- f + exp(dt A) (x - f)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import sympy as sp

from metrigen.integrators.base import TimeStepper


@dataclass(frozen=True)
class Exponential(TimeStepper):
    """One step a token on a ``Sequence``; ``dt`` may be a number, a parameter or an input with a value a token.

    On a sequence the order is of no account: with everything held over the token the step is exact.
    """

    steps: int = 1
    dt: sp.Expr = sp.S.One

    order: ClassVar[int] = 2
    keeps: ClassVar[str] = "linear dynamics exact: rotation, decay and fixed point"
