"""States that meet a condition: a law that holds where something does names a state where it does.

A condition is a tuple of expressions, each of which must not be negative. Tried are random states, the state zero, and
from the best of them a climb of the smallest expression, one symbol at a time; all of it is the same at every run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mpmath
import sympy as sp

from metrigen.physics import channels
from metrigen.physics.derivation import Law
from metrigen.physics.jets import label
from metrigen.physics.opaque import opaque
from metrigen.physics.size import TooLarge, fits
from metrigen.physics.work_budget import spend_on
from metrigen.physics.zero import DIGITS, Evaluator, Point, random_point
from metrigen.spec.symbols import Param

_TRIED, _SPREADS = 24, (2.0, 2.0, 0.3, 20.0)
_ROUNDS, _MOST_SYMBOLS = 24, 12
_LARGE = 2000  # operations beyond which no state is looked for
_FACTORS, _STEPS = ("2", "0.5", "-1"), ("0.25", "-0.25", "4", "-4")


@dataclass(frozen=True)
class Conditions:
    """Expressions that must not be negative, compiled once. ``domain``: expressions that must have a real value."""

    exprs: tuple[sp.Expr, ...]
    compiled: Evaluator
    count: int

    @classmethod
    def of(cls, exprs: Sequence[sp.Expr], domain: Sequence[sp.Expr] = ()) -> Conditions:
        """Raises TooLarge."""
        every = tuple(flat(e) for e in (*exprs, *domain))
        return cls(every, Evaluator.of(every), len(exprs))

    @property
    def symbols(self) -> sp.Tuple:
        return sp.Tuple(*self.exprs)

    def least(self, point: Point) -> mpmath.mpf | None:
        """The smallest of the expressions at a point, 1 where there are none; None where one has no real value."""
        values = self.compiled.at(point)
        return None if values is None else min(values[: self.count], default=mpmath.mpf(1))

    def hold(self, point: Point) -> bool:
        least = self.least(point)
        return least is not None and bool(least >= 0)

    def state(self) -> Point | None:
        """A state at which they hold, one at which none vanishes if there is one; None if none was found."""
        points = [within(random_point(self.symbols, k, _SPREADS[k % len(_SPREADS)])) for k in range(_TRIED)]
        points.append(within({s: sp.S.One if s.is_positive else sp.S.Zero for s in points[0]}))
        tried = [(least, point) for point in points if (least := self.least(point)) is not None]
        found = next((point for least, point in tried if least > 0), None)
        if found is not None or not tried:
            return found
        least, point = max(tried, key=lambda pair: pair[0])
        least, point = self._climb(least, point)
        return point if least >= 0 else None

    def _climb(self, least: mpmath.mpf, point: Point) -> tuple[mpmath.mpf, Point]:
        if len(point) > _MOST_SYMBOLS:
            return least, point
        for _ in range(_ROUNDS):
            moves = [within({**point, s: v}) for s in point for v in _nearby(s, point[s])]
            tried = [(value, move) for move in moves if (value := self.least(move)) is not None]
            best, move = max(tried, key=lambda pair: pair[0], default=(least, point))
            if best <= least:
                return least, point
            least, point = best, move
            if least > 0:
                return least, point
        return least, point


def flat(expr: sp.Expr) -> sp.Expr:
    """An expression in numbers alone: two channels written out, learned values as symbols with what they declare."""
    return opaque(channels.explicit(expr, 2)[0] if channels.has_maps(expr) else expr, conditions=True)


def within(point: Point) -> Point:
    """The point with every parameter below its declared bound."""
    bounds = {s: sp.Float(s.below, DIGITS) for s in point if isinstance(s, Param) and s.below is not None}
    return {s: bounds[s] / 2 if s in bounds and v >= bounds[s] else v for s, v in point.items()}


def _nearby(symbol: sp.Symbol, value: sp.Expr) -> list[sp.Expr]:
    """Values to move to that respect the declared sign of a symbol."""
    moved = [value * sp.Float(f, DIGITS) for f in _FACTORS] + [value + sp.Float(s, DIGITS) for s in _STEPS]
    below = symbol.is_nonnegative
    above = symbol.is_nonpositive
    fit = [v for v in moved if not (below and v < 0) and not (above and v > 0)]
    return [v for v in fit if not (v.is_zero and (symbol.is_positive or symbol.is_negative))]


def conditional(name: str, how: str, detail: str, exprs: Sequence[sp.Expr], witness: str = "") -> Law:
    """The law that holds where no expression is negative, with a state where it does; sampled if none was found."""
    state = met_at(exprs)
    if state == "":
        return Law(name, "sampled", how, f"no state was found that meets {detail}", witness)
    return Law(name, "conditional", how, detail, witness, tuple(exprs), state or "")


def met_at(exprs: Sequence[sp.Expr]) -> str | None:
    """ "u=0.5, a=1.2", a state at which no expression is negative; "" if none was found, None if not looked for."""
    if not exprs or not all(fits(e, _LARGE) for e in exprs):
        return None
    try:
        spend_on(sp.Tuple(*exprs), 10, "the values at random points of")
        point = Conditions.of(exprs).state()
    except TooLarge:
        return None
    return "" if point is None else point_text(point)


def point_text(point: Point, most: int = 6) -> str:
    return ", ".join(f"{label(s)}={float(v):.4g}" for s, v in list(point.items())[:most])
