"""Numbers for a person: the witness of a failed law, and expressions in the author's own notation."""

from __future__ import annotations

from collections.abc import Sequence

import mpmath
import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.errors import StructureError
from metrigen.physics import channels
from metrigen.physics.derivation import Law
from metrigen.physics.jets import Jet, from_jets, jets_of, label
from metrigen.physics.opaque import opaque
from metrigen.physics.size import expanded_terms, fits, nodes
from metrigen.physics.zero import UNPROVED, Evaluator, Zero, random_point

# What to write where the mirror image of a form is not its negative (bracket) or itself (metric).
SYMMETRISE = {
    "bracket": "write the bracket skew as it stands, b(F, G)/2 - b(G, F)/2",
    "metric": "write the metric as its own mirror image, or in the factored form Dissipation((w, A), ...)",
}
_LONGEST = 400  # characters of a formula in a message
LARGE = 2000  # nodes beyond which few points are tried for a witness


def show(expr: sp.Expr) -> str:
    """An expression in jets as the author would write it, clipped where nobody would read on."""
    written = from_jets(_head(expr))
    bare = {f: sp.Symbol(f.func.__name__, real=True) for f in written.atoms(AppliedUndef) if not f.args}
    return clip(str(written.xreplace(bare)))


def labelled(expr: sp.Expr) -> str:
    """The same as it is printed in a derivation: fields by their names, phi_xx for a derivative."""
    head = _head(expr)
    # A symbol that may be complex would be asked for its sign at every level, and each answer would be sought again.
    return clip(str(head.xreplace({j: sp.Symbol(label(j), real=True) for j in head.atoms(Jet)})))


def multiplied_out(expr: sp.Expr) -> sp.Expr:
    """Expanded for a message, if it is short."""
    return sp.expand(expr) if expanded_terms(expr) <= _LONGEST else expr


def _head(expr: sp.Expr) -> sp.Expr:
    """The first terms of a sum that would not be printed to its end."""
    if fits(expr, 10 * _LONGEST):
        return expr
    head = [term for term in sorted(sp.Add.make_args(expr), key=nodes)[:10] if fits(term, 10 * _LONGEST)]
    return sp.Add(*head, sp.Symbol("..."), evaluate=False)


def clip(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def show_form(expr: sp.Expr, **sides: tuple[Sequence[AppliedUndef], Sequence[AppliedUndef]]) -> str:
    """An expression with covectors as in a spec: F[u], G[u].diff(x). ``sides`` is F=(covectors, fields)."""
    expr = _head(expr)
    table: dict[sp.Basic, sp.Symbol] = {}
    for name, (covectors, fields) in sides.items():
        meaning = dict(zip(covectors, fields, strict=True))
        for j in jets_of(expr, *covectors):
            table[j] = sp.Symbol(f"{name}[{meaning[j.base].func.__name__}]{_diff(j)}", real=True)
    return clip(str(from_jets(expr.xreplace(table))))


def _diff(j: Jet) -> str:
    arguments = [f"{x}, {n}" if n > 1 else str(x) for x, n in zip(j.base.args, j.orders, strict=True) if n]
    return "".join(f".diff({a})" for a in arguments)


def violation(
    what: str,
    *,
    law: str,
    residual: sp.Expr,
    part: str,
    why: str,
    witness: str | None = None,
    fix: str | None = None,
) -> StructureError:
    """A StructureError whose residual, given in jets, is an ordinary SymPy expression in the fields."""
    return StructureError(
        what, law=law, residual=from_jets(residual), part=part, why=why, witness=witness or None, fix=fix
    )


def identity(name: str, how: str, test: Zero, detail: str = "") -> Law:
    """The law that an identity holds: proved by expansion, sampled where points or a few channels decided."""
    if not test.proved:
        return Law(name, "sampled", f"{how}; {UNPROVED[test.by]}", detail)
    return Law(name, "proved", how, detail)


def short(value: sp.Expr | mpmath.mpf) -> str:
    return f"{float(value):.4g}"


def witness(expr: sp.Expr, *, attempts: int = 40) -> str:
    """A point where an expression in jets is not zero, "u=0.37, gamma=1.25 gives -0.46"; "" if none was found, or the
    expression is too large to be evaluated often."""
    if not fits(expr, LARGE):
        attempts = 2
    flat = opaque(channels.explicit(expr, 2)[0] if channels.has_maps(expr) else expr)
    compiled = Evaluator.free((flat,))
    for seed in range(attempts):
        point = random_point(flat, seed)
        values = compiled.at(point)
        if values is not None and abs(values[0]) > mpmath.mpf("1e-20"):
            (value,) = values
            where = ", ".join(f"{label(s)}={short(v)}" for s, v in point.items())
            return f"{where} gives {short(value)}" if where else f"its value is {short(value)}"
    return ""
