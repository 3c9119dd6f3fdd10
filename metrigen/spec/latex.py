"""Expressions in fields as LaTeX, the short way: phi for phi(t, x), a subscript for each derivative."""

from __future__ import annotations

import sympy as sp
from sympy.core.function import AppliedUndef
from sympy.printing.latex import LatexPrinter

# Spellings that people use because the Greek word is a keyword of Python or long.
_SPELLED = {"lam": "lambda", "lamda": "lambda", "eps": "epsilon"}

_ESCAPES = {
    "\\": r"\textbackslash ", "_": r"\_", "^": r"\textasciicircum ", "{": r"\{", "}": r"\}", "&": r"\&", "#": r"\#",
}  # fmt: skip


class _Printer(LatexPrinter):
    """Fields without their arguments, derivatives as subscripts: phi_{xx} for d2 phi/dx2."""

    def _print_AppliedUndef(self, expr: AppliedUndef, exp: str | None = None) -> str:
        name = name_of(expr)
        return name if exp is None else rf"{name}^{{{exp}}}"

    def _print_Symbol(self, expr: sp.Symbol, style: str = "plain") -> str:
        return str(self._deal_with_super_sub(_SPELLED.get(expr.name, expr.name)))

    def _print_Derivative(self, expr: sp.Derivative) -> str:
        if not isinstance(expr.expr, AppliedUndef):
            return str(super()._print_Derivative(expr))
        subscript = "".join(self._print(x) * int(n) for x, n in expr.variable_count)
        return rf"\partial_{{{subscript}}} {name_of(expr.expr)}"


def name_of(u: AppliedUndef) -> str:
    """The name of a field, without its arguments."""
    return formula(sp.Symbol(u.func.__name__))


def formula(expr: sp.Expr) -> str:
    """An expression in fields as LaTeX."""
    return str(_Printer({"order": None}).doprint(expr))


def plain(text: str) -> str:
    r"""Words for the inside of ``\text{...}``."""
    return "".join(_ESCAPES.get(c, c) for c in text)
