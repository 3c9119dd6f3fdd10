"""Expressions in the words of the table: floor, frac, Mod, Piecewise and sinc have no derivative that SymPy writes."""

from __future__ import annotations

from collections.abc import Callable

import sympy as sp
from sympy.logic.boolalg import BooleanFalse, BooleanTrue

from metrigen.errors import SpecError
from metrigen.spec.functions import QUOTIENTS, choose, whole

_SPOKEN = (sp.floor, sp.ceiling, sp.frac, sp.Mod, sp.Piecewise, sp.sinc)


def worded(expr: sp.Expr) -> sp.Expr:
    """The expression with floor, ceiling, frac and Mod by ``whole``, Piecewise by ``choose``, sinc by its quotient."""
    if not isinstance(expr, sp.Basic) or not expr.has(*_SPOKEN):
        return expr
    return expr.replace(lambda e: isinstance(e, _SPOKEN), _word)


def _word(e: sp.Expr) -> sp.Expr:
    if isinstance(e, sp.Piecewise):
        return _cases(e)
    return _WORDS[e.func](*e.args)


def _mod(a: sp.Expr, b: sp.Expr) -> sp.Expr:
    return a - b * whole(a / b)


_WORDS: dict[type, Callable[..., sp.Expr]] = {
    sp.floor: whole,
    sp.ceiling: lambda x: -whole(-x),
    sp.frac: lambda x: x - whole(x),
    sp.Mod: _mod,
    sp.sinc: lambda x: QUOTIENTS[sp.sin](sp.S.Zero, x),
}


def _cases(e: sp.Piecewise) -> sp.Expr:
    """The first case whose condition holds; a value that no condition covers is refused."""
    out: sp.Expr | None = None
    if e.args[-1][1] not in (True, sp.true):
        raise SpecError(
            f"{e} has no value where no condition holds",
            why="a number is needed at every state",
            fix="end it with (value, True)",
            see="piecewise",
        )
    for value, condition in reversed(e.args):
        out = value if out is None else _where(condition, value, out)
    assert out is not None
    return out


def _where(condition: sp.Basic, yes: sp.Expr, no: sp.Expr) -> sp.Expr:
    if isinstance(condition, BooleanTrue):
        return yes
    if isinstance(condition, BooleanFalse):
        return no
    if isinstance(condition, sp.And):
        out = yes
        for part in sorted(condition.args, key=sp.default_sort_key):
            out = _where(part, out, no)
        return out
    if isinstance(condition, sp.Or):
        out = no
        for part in sorted(condition.args, key=sp.default_sort_key):
            out = _where(part, yes, out)
        return out
    if isinstance(condition, sp.Not):
        return _where(condition.args[0], no, yes)
    if not isinstance(condition, sp.core.relational.Relational):
        raise SpecError(
            f"a condition of Piecewise is not understood: {condition}",
            fix="compare with <, <=, > or >=",
            see="piecewise",
        )
    left, right = condition.lhs, condition.rhs
    if isinstance(condition, (sp.StrictGreaterThan, sp.StrictLessThan)):
        return choose(left - right if isinstance(condition, sp.StrictGreaterThan) else right - left, yes, no)
    if isinstance(condition, (sp.GreaterThan, sp.LessThan)):
        return choose(right - left if isinstance(condition, sp.GreaterThan) else left - right, no, yes)
    apart = sp.Abs(left - right)
    return choose(apart, yes, no) if isinstance(condition, sp.Ne) else choose(apart, no, yes)
