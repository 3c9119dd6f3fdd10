"""Values of learned functions as symbols: for a test of zero or of a sign, V(phi), V'(phi), V''(phi) are free numbers.

At one value of its argument a smooth function and its derivatives take any values, and at different arguments they do
so independently. So an expression vanishes for every V exactly when it does with a symbol for each V^(k)(a), where
equal arguments are written alike. A declared sign of V stays with the symbol; a declared convexity only where
``conditions`` are granted, since nothing keeps it.
"""

from __future__ import annotations

from collections.abc import Callable

import sympy as sp

from metrigen.physics.jets import Jet, label
from metrigen.spec.neural import learned


class LearnedValue(sp.Symbol):
    """The value ``atom`` of a learned function, or of a derivative of it, as a real number."""

    __slots__ = ("atom",)
    atom: sp.Expr

    def _hashable_content(self) -> tuple[object, ...]:
        # Two different arguments may read alike.
        return (*super()._hashable_content(), self.atom)


def opaque(expr: sp.Expr, *, conditions: bool = False) -> sp.Expr:
    """The expression with every outermost learned value replaced by a symbol of the same declared sign."""
    return expr.xreplace({atom: _value(atom, conditions) for atom in _outermost(expr)}) if expr.has(learned) else expr


def equal_arguments(expr: sp.Expr, vanishes: Callable[[sp.Expr], bool]) -> sp.Expr:
    """The expression with arguments of learned functions written alike where their difference vanishes."""
    known: list[sp.Expr] = []
    table: dict[sp.Basic, sp.Basic] = {}
    for atom in _outermost(expr):
        arguments = [sp.expand(a) for a in atom.arguments]
        for i, a in enumerate(arguments):
            twin = next((b for b in known if a == b or (_comparable(a, b) and vanishes(a - b))), None)
            if twin is None:
                known.append(a)
            else:
                arguments[i] = twin
        table[atom] = learned(atom.head, *arguments)
    return expr.xreplace(table)


def undeclared(expr: sp.Expr) -> bool:
    """Does an expression hold a learned value of free sign, after ``opaque``?"""
    return any(isinstance(s, LearnedValue) and not s.is_nonnegative for s in expr.free_symbols)


def _comparable(a: sp.Expr, b: sp.Expr) -> bool:
    return not (a.is_Symbol and b.is_Symbol) and a.free_symbols == b.free_symbols


def _outermost(expr: sp.Expr) -> list[learned]:
    """The learned values that stand in no other, in a fixed order."""
    found = sorted(expr.atoms(learned), key=sp.default_sort_key)
    inner = {f for atom in found for argument in atom.arguments for f in argument.atoms(learned)}
    return [atom for atom in found if atom not in inner or _outside(expr, atom)]


def _outside(expr: sp.Expr, wanted: sp.Expr) -> bool:
    """Does ``wanted`` stand somewhere outside every learned value?"""
    if expr == wanted:
        return True
    return not isinstance(expr, learned) and any(_outside(argument, wanted) for argument in expr.args)


def _value(atom: learned, conditions: bool) -> LearnedValue:
    head = atom.head
    atom = learned(head, *(sp.expand(a) for a in atom.arguments))
    signs: dict[str, bool] = {}
    if atom.is_positive:
        signs = {"positive": True}
    elif atom.is_nonnegative or (conditions and head.convex and head.order == 2):
        signs = {"nonnegative": True}
    jets = {j: sp.Symbol(label(j), real=True) for j in atom.atoms(Jet)}
    symbol: LearnedValue = sp.Symbol.__xnew__(LearnedValue, str(atom.xreplace(jets)), real=True, **signs)
    symbol.atom = atom
    return symbol
