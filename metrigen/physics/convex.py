"""Second derivatives of a density in forms whose sign can be seen.

    log cosh a     a_i a_j / cosh(a)^2                     log(1 + e^a)   a_i a_j / (4 cosh(a/2)^2)
    sqrt(q)        (2 q q_ij - q_i q_j) / (4 q^(3/2))      a affine in the jets

SymPy's own are equal, as 1 - sinh(a)^2/cosh(a)^2, and say nothing of their sign.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sympy as sp

from metrigen.physics.jets import Jet
from metrigen.physics.partials import Partials
from metrigen.physics.work_budget import expand
from metrigen.spec.functions import logcosh, softplus

Entry = Callable[[sp.Symbol, sp.Symbol], sp.Expr]
_HALF = sp.Rational(1, 2)


def hessian(density: sp.Expr, jets: Sequence[Jet]) -> list[list[sp.Expr]]:
    """The matrix of second derivatives, row by row."""
    known: list[tuple[sp.Expr, Entry]] = []
    others: list[sp.Expr] = []
    for term in sp.Add.make_args(density):
        weight, function = term.as_independent(*jets, as_Add=False)
        entry = _entry(function, jets)
        if entry is None:
            others.append(term)
        else:
            known.append((weight, entry))
    partials = Partials(sp.Add(*others))
    slopes = [Partials(partials.along(a)) for a in jets]
    return [
        [expand(slope.along(b)) + sp.Add(*(weight * entry(a, b) for weight, entry in known)) for b in jets]
        for a, slope in zip(jets, slopes, strict=True)
    ]


def _entry(f: sp.Expr, jets: Sequence[Jet]) -> Entry | None:
    """The second derivatives of a function with a form of its own."""
    if f.is_Pow and f.exp == _HALF:
        return _of_root(f.base)
    a, steepness = _argument(f)
    if a is None:
        return None
    slopes = {j: sp.diff(a, j) for j in jets}
    if any(s.free_symbols & {*jets} for s in slopes.values()):
        return None
    return lambda i, j: slopes[i] * slopes[j] * steepness


def _argument(f: sp.Expr) -> tuple[sp.Expr | None, sp.Expr]:
    """a of log cosh a or log(1 + e^a), and the second derivative by a."""
    inside = f.args[0] if isinstance(f, sp.log) else None
    if isinstance(f, logcosh) or isinstance(inside, sp.cosh):
        a = f.args[0] if inside is None else inside.args[0]
        return a, sp.cosh(a) ** -2
    grown = inside - 1 if inside is not None else None
    if isinstance(f, softplus) or isinstance(grown, sp.exp):
        a = f.args[0] if grown is None else grown.args[0]
        return a, sp.cosh(a / 2) ** -2 / 4
    return None, sp.S.Zero


def _of_root(q: sp.Expr) -> Entry:
    below = 4 * q ** sp.Rational(3, 2)
    return lambda i, j: expand(2 * q * q.diff(i, j) - q.diff(i) * q.diff(j)) / below
