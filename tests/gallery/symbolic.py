"""Equations against the literature, exact solutions put in: what such checks share."""

from __future__ import annotations

from collections.abc import Mapping

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen import Derivation
from metrigen.physics.jets import to_jets
from metrigen.physics.zero import is_zero
from tests.gallery.layers import derivation

x, y = sp.symbols("x y", real=True)


def fields(name: str) -> tuple[Derivation, dict[str, AppliedUndef]]:
    """The derivation and its state and auxiliary fields by name."""
    found = derivation(name)
    return found, {u.func.__name__: u for u in (*found.fields, *found.constraints)}


def params(found: Derivation) -> dict[str, sp.Symbol]:
    symbols = {s for rate in found.equations.values() for s in rate.free_symbols}
    symbols |= {s for residual in found.constraints.values() for s in residual.free_symbols}
    return {s.name: s for s in symbols}


def put_in(expr: sp.Expr, values: Mapping[AppliedUndef, sp.Expr]) -> sp.Expr:
    """An expression with functions in the place of its fields, derivatives carried out."""
    return sp.expand(expr.subs(values).doit())


def same(a: sp.Expr, b: sp.Expr) -> None:
    assert is_zero(to_jets(sp.sympify(a).doit()) - to_jets(sp.sympify(b).doit())), (a, b)


def jacobian(f: sp.Expr, g: sp.Expr) -> sp.Expr:
    return f.diff(x) * g.diff(y) - f.diff(y) * g.diff(x)


def laplacian(f: sp.Expr) -> sp.Expr:
    return f.diff(x, 2) + f.diff(y, 2)
