"""``contract``: the sum over the axes that a vector shares with a matrix memory."""

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.errors import SpecError
from metrigen.spec.domain import Index


def axes_of(expr: sp.Basic) -> frozenset[Index]:
    """The named axes along which an expression in fields and inputs has values; ``contract`` sums over its own."""
    if isinstance(expr, AppliedUndef):
        return frozenset(x for x in expr.args if isinstance(x, Index))
    if isinstance(expr, contract):
        return axes_of(expr.args[1]) - axes_of(expr.args[0])
    return frozenset().union(*map(axes_of, expr.args)) if expr.args else frozenset()


class contract(sp.Function):
    """(k.S)_v = sum_k k_k S_kv: the sum over the axes of ``weight``, all of them axes of ``of``; linear in ``of``.

    Everything else broadcasts by the names of its axes. Its transpose is the product, <w, k.S> = <k w, S>, so that the
    variation of (k.S - v)^2/2 with respect to S is k (k.S - v). Raises SpecError where there is no axis to sum over.
    """

    nargs = 2
    is_real = True

    @classmethod
    def eval(cls, weight: sp.Expr, of: sp.Expr) -> sp.Expr | None:
        if of.is_zero or weight.is_zero:
            return sp.S.Zero
        if weight.has(AppliedUndef) and of.has(AppliedUndef):  # in the words of a spec, not in jets
            _check(weight, of)
        return None

    def _eval_derivative(self, s: sp.Symbol) -> sp.Expr:
        weight, of = self.args
        return contract(weight.diff(s), of) + contract(weight, of.diff(s))

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        weight, of = (printer._print(x) if x.is_Atom or isinstance(x, AppliedUndef) else printer.parenthesize(x, 1000)
                      for x in self.args)  # fmt: skip
        text = rf"\left({weight} \cdot {of}\right)"
        return text if exp is None else f"{text}^{{{exp}}}"


def _check(weight: sp.Expr, of: sp.Expr) -> None:
    axes = axes_of(weight)
    if axes and axes <= axes_of(of):
        return
    have = ", ".join(sorted(x.name for x in axes_of(of))) or "none"
    lost = ", ".join(sorted(x.name for x in axes)) or "no axis"
    raise SpecError(
        f"contract({spelled(weight)}, {spelled(of)}) has no axis to sum over",
        why=f"{spelled(weight)} has {lost}; the axes of {spelled(of)}: {have}",
        fix='contract(k, S) with k = Input("k", tokens, axes=("key",)), S = Field("S", tokens, axes=("key", "value"))',
        see="memory",
    )


def spelled(expr: sp.Expr) -> str:
    """An expression with its fields and inputs by name alone."""
    return str(expr.xreplace({f: sp.Symbol(f.func.__name__) for f in expr.atoms(AppliedUndef)}))
