"""A density as a spec states it: what can be one, and what is written instead of what cannot."""

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.logic.boolalg import Boolean

from metrigen.errors import SpecError
from metrigen.spec.gradient import Gradient
from metrigen.spec.numbers import check_finite
from metrigen.spec.real import real_form
from metrigen.spec.slips import numeric_function
from metrigen.spec.symbols import Param, mix, transposed
from metrigen.spec.words import worded

_DIGITS = 30  # of a root that has no closed form


def density(part: str, value: Any) -> sp.Expr:
    """``value`` of the keyword ``part`` as an expression. Raises SpecError where it is no real scalar density."""
    refuse = _not_scalar(part, value)
    if refuse is not None:
        raise refuse
    try:
        expr = sp.sympify(value, strict=True)
    except (sp.SympifyError, TypeError) as error:
        raise SpecError(
            f"{part}= is not a SymPy expression: {value!r}",
            part=part,
            why=f"it is of type {type(value).__name__}",
            fix=f"{part}= an expression in the fields, as u.diff(t)**2/2 - grad(u).square/2",
            see="not-an-expression",
        ) from error
    refuse = _not_scalar(part, expr)
    if refuse is not None:
        raise refuse
    check_finite(part, expr)
    real = real_form(expr) if expr.has(sp.I) else expr
    if real is None:
        raise SpecError(
            f"{part}= is complex",
            part=part,
            why=f"it contains I: {expr}",
            fix="split each complex field into two real ones, psi = (a + I*b)/sqrt(2), and write the density in these",
            see="complex",
        )
    expr = real
    check_evaluated(part, expr)
    roots = {root: root.evalf(_DIGITS) for root in expr.atoms(sp.polys.rootoftools.ComplexRootOf) if root.is_real}
    return worded(expr.xreplace(roots))


def _not_scalar(part: str, value: Any) -> SpecError | None:
    """The refusal of a value that is no scalar expression, by its kind."""
    what, fix = "", f"{part}= the density alone, a scalar"
    if isinstance(value, str):
        what, fix = f"{part}= is a text", f"leave out the quotes: {part}={value.strip() or 'u.diff(t)**2/2'}"
    elif isinstance(value, Gradient):
        fix = "grad(u).square for |grad u|^2, or grad(u).dot(grad(v))"
        what = f"{part}= is a gradient, which has a component per axis"
    elif isinstance(value, sp.logic.boolalg.Xor):
        fix = "write powers with **: u**2, not u^2"
    elif isinstance(value, sp.Eq):
        what = f"{part}= is an equation"
        fix = f"the density alone, without the left side of the equation: {part}={value.rhs}"
    elif isinstance(value, (Boolean, bool)):
        fix = "a case is written with sp.Piecewise, sp.Max or sp.Min"
    elif isinstance(value, (sp.MatrixBase, sp.MatrixExpr)):
        fix = "the entry itself where the matrix is 1 x 1, M[0, 0], or (v.T * M * v)[0, 0]"
    elif callable(value) and not isinstance(value, sp.Basic):
        what = f"{part}= is a function of Python"
        fix = f"the density itself, {part}=u**2/2; bracket= and metric= are the ones that take a function"
    elif isinstance(value, (list, tuple, set, dict)):
        fix = f"the sum of the terms, {part}=a + b"
    elif numeric_function(value):
        fix = "an expression of SymPy: numpy and torch work on numbers"
    elif isinstance(value, sp.Basic) and not isinstance(value, sp.Expr):
        pass
    else:
        return None
    # Written only here: the text of a deep expression takes more calls inside calls than Python has.
    what = what or f"{part}= is not a scalar SymPy expression: {value!r}"
    return SpecError(what, part=part, why=f"it is of type {type(value).__name__}", fix=fix, see="not-an-expression")


def check_evaluated(part: str, expr: sp.Expr) -> None:
    """Refuse what SymPy has left to be carried out, and channel matrices that stand in a product."""
    if not isinstance(expr, sp.Basic):
        return
    for kind in (sp.Integral, sp.Sum, sp.Product, sp.Limit):
        held = sorted(expr.atoms(kind), key=sp.default_sort_key)
        if held:
            raise SpecError(
                f"{part}= contains an unevaluated {kind.__name__}",
                part=part,
                why=f"{held[0]}; a density is integrated over the domain as it is",
                fix="carry it out with .doit(); of an integral over the domain write the integrand alone",
                see="unevaluated",
            )
    if any(isinstance(s, Param) and s.is_matrix for s in expr.free_symbols):
        _check_matrices(part, expr)


def _check_matrices(part: str, expr: sp.Expr) -> None:
    nodes = sp.preorder_traversal(expr)
    for node in nodes:
        if isinstance(node, transposed):
            nodes.skip()
        elif isinstance(node, mix):
            nodes.skip()
            _check_matrices(part, node.args[1])
        elif isinstance(node, Param) and node.is_matrix:
            raise SpecError(
                f"{node} is a channel matrix, and {part}= multiplies by it as by a number",
                part=part,
                why="a product is elementwise in the channel; a matrix takes the channels of a field to others",
                fix=f"mix({node}, u) for the field u, as in u*mix({node}, u)/2",
                see="channel-matrix",
            )
