"""Numbers for a person: the witness of a failed law, and expressions in the author's own notation."""

from __future__ import annotations

import sympy as sp

from metrigen.physics import channels
from metrigen.physics.jets import from_jets
from metrigen.physics.zero import evaluate, random_point


def show(expr: sp.Expr) -> str:
    """An expression in jets as the author would write it."""
    return str(from_jets(expr))


def short(value: sp.Expr) -> str:
    return f"{float(value):.4g}"


def witness(expr: sp.Expr, *, negative: bool = False, attempts: int = 40) -> str:
    """A point where an expression in jets is not zero (or is negative): "u=0.37, gamma=1.25 gives -0.46"; "" if none
    was found."""
    for seed in range(attempts):
        flat = channels.explicit(expr, 2)[0] if channels.has_maps(expr) else expr
        point = random_point(flat, seed)
        value = evaluate(flat, point)
        if not value.is_Float and not value.is_Rational:
            continue
        if value < 0 if negative else abs(value) > sp.Float("1e-20"):
            if not point:
                return f"its value is {short(value)}"
            return ", ".join(f"{label(s)}={short(v)}" for s, v in point.items()) + f" gives {short(value)}"
    return ""


def label(symbol: sp.Symbol) -> str:
    """phi_xx for a jet, the name for a symbol."""
    directions = getattr(symbol, "directions", None)
    if directions is None:
        return str(symbol.name)
    suffix = "".join(x.name for x in directions())
    return str(symbol.base.func.__name__) + (f"_{suffix}" if suffix else "")  # type: ignore[attr-defined]
