"""Numbers that a spec states: real, finite, and within what a computer can hold."""

from __future__ import annotations

import math

import sympy as sp

from metrigen.errors import SpecError

_LONGEST = 60  # letters of a value in a message
MOST_STEPS = 10**9  # a layer counts its steps in a machine word, and nobody waits for more


def check_number(value: object, what: str, part: str, fix: str) -> float:
    """``value`` as a finite real number of Python; SpecError, with ``what`` for its subject, for anything else."""
    why = None
    try:
        number = float(value)  # type: ignore[arg-type]
    except OverflowError:
        number, why = math.inf, "it is beyond the largest double, 1.8e308"
    except (TypeError, ValueError):
        number, why = math.nan, f"it is of type {type(value).__name__}"
    if isinstance(value, (str, bytes, bool)):
        number, why = math.nan, f"it is of type {type(value).__name__}"
    if math.isfinite(number):
        return number
    raise SpecError(f"{what}={_short(value)} is not a finite real number", part=part, why=why, fix=fix, see="number")


def check_finite(what: str, expression: sp.Basic, part: str | None = None) -> None:
    """Refuse an expression with an infinite constant, or one that is no number, in it."""
    for bad in (sp.nan, sp.zoo, sp.oo, -sp.oo):
        if expression.has(bad):
            kind = "a constant that is no number" if bad is sp.nan else "an infinite constant"
            raise SpecError(
                f"{what}= contains {kind}",
                part=part or what,
                why=f"{bad} stands in {_short(expression)}",
                fix="write a finite number; a wall that nothing passes is a large one, or an Input",
                see="number",
            )


def _short(value: object) -> str:
    try:
        text = str(value) if isinstance(value, sp.Basic) else repr(value)
    except ValueError:  # Python writes no integer of more than some thousand digits
        text = "a very long number"
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
