"""Mathematics as people write it: fields without their arguments, derivatives as d_x, dF/du for a covector."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef
from sympy.printing.latex import LatexPrinter
from sympy.printing.str import StrPrinter

from metrigen.physics.derivation import Bilinear
from metrigen.spec.symbols import mix

# Spellings that people use because the Greek word is a keyword of Python or long.
_SPELLED = {"lam": "lambda", "lamda": "lambda", "eps": "epsilon"}

_WORD = re.compile(r"\A[A-Za-z]{2,}")

Covectors = Mapping[AppliedUndef, tuple[str, str]]


class _Latex(LatexPrinter):
    def __init__(self, covectors: Covectors) -> None:
        super().__init__({"fold_short_frac": False})
        self._covectors = covectors

    def _print_Function(self, expr: Any, exp: str | None = None) -> str:
        if not isinstance(expr, AppliedUndef):
            plain: str = super()._print_Function(expr, exp)
            return plain
        if expr in self._covectors:
            field = self._print(sp.Symbol(self._covectors[expr][1]))
            head = rf"\frac{{\delta {self._covectors[expr][0]}}}{{\delta {field}}}"
            return head if exp is None else rf"\left({head}\right)^{{{exp}}}"
        head = self._name(expr.func.__name__)
        return head if exp is None else f"{head}^{{{exp}}}"

    def _print_Symbol(self, expr: sp.Symbol, style: str = "plain") -> str:
        return self._name(expr.name)

    def _name(self, name: str) -> str:
        """Greek letters and subscripts as usual; any other word upright, not as a product of its letters."""
        head = str(self._deal_with_super_sub(_SPELLED.get(name, name)))
        return _WORD.sub(r"\\mathrm{\g<0>}", head)

    def _needs_mul_brackets(self, expr: sp.Expr, first: bool = False, last: bool = False) -> bool:
        # An operator acts on all that follows it, so it stands in brackets unless it stands last.
        if isinstance(expr, (sp.Derivative, mix)) and not last:
            return True
        return bool(super()._needs_mul_brackets(expr, first, last))

    def _print_Derivative(self, expr: sp.Derivative) -> str:
        inner: str = self._print(expr.expr)
        if not isinstance(expr.expr, (AppliedUndef, sp.Symbol)):
            inner = rf"\left({inner}\right)"
        powers = (f"^{{{count}}}" if count != 1 else "" for _, count in expr.variable_count)
        heads = (rf"\partial_{{{self._print(v)}}}" for v, _ in expr.variable_count)
        return " ".join(head + power for head, power in zip(heads, powers, strict=True)) + " " + inner


class _Text(StrPrinter):
    def __init__(self, covectors: Covectors) -> None:
        super().__init__()
        self._covectors = covectors

    def _print_Function(self, expr: Any) -> str:
        if not isinstance(expr, AppliedUndef):
            return str(super()._print_Function(expr))
        functional, field = self._covectors.get(expr, ("", expr.func.__name__))
        return f"{functional}[{field}]" if functional else field

    def _print_Derivative(self, expr: sp.Derivative) -> str:
        variables = "".join(f"{v}" * int(count) for v, count in expr.variable_count)
        inner: str = self._print(expr.expr)
        return f"{inner}_{variables}" if isinstance(expr.expr, AppliedUndef) else f"d_{variables}({inner})"


def latex(expr: Any, covectors: Covectors | None = None) -> str:
    r"""LaTeX of an expression in fields: ``\partial_{x}^{2} \phi``, without ``{\left(t,x,y \right)}``."""
    return str(_Latex(covectors or {}).doprint(expr))


def text(expr: Any, covectors: Covectors | None = None) -> str:
    """The same in plain characters: ``c2*phi_xx``."""
    return str(_Text(covectors or {}).doprint(expr))


def covectors_of(bracket: Bilinear, fields: tuple[AppliedUndef, ...]) -> Covectors:
    """How the arguments of a bracket read: each stands for dF/du or dG/du of one field u."""
    names = [u.func.__name__ for u in fields]
    left = {f: ("F", name) for f, name in zip(bracket.left, names, strict=True)}
    return left | {g: ("G", name) for g, name in zip(bracket.right, names, strict=True)}
