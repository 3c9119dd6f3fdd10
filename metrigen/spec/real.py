"""A density written in complex numbers that is real: |psi_t|^2 of psi = q + i p as q_t^2 + p_t^2."""

from __future__ import annotations

import sympy as sp
from sympy.core.function import AppliedUndef

_LEFT = (sp.I, sp.re, sp.im, sp.arg, sp.conjugate)


def real_form(expr: sp.Expr) -> sp.Expr | None:
    """The same in real numbers; None where the imaginary part is not seen to vanish, or a field may be complex. Fields
    and their derivatives are symbols meanwhile: of a derivative SymPy does not know that it is real."""
    if not all(u.is_real for u in expr.atoms(AppliedUndef)):
        return None
    held = [e for e in expr.atoms(AppliedUndef, sp.Derivative) if e.is_commutative and not e.has(sp.I)]
    held.sort(key=sp.default_sort_key)
    symbols = {
        e: sp.Dummy(f"value{k}", real=True, positive=e.is_positive, nonnegative=e.is_nonnegative)
        for k, e in enumerate(held)
    }
    back = {symbol: e for e, symbol in symbols.items()}
    plain = expr.xreplace(symbols)
    for form in (sp.expand, sp.expand_complex):
        found = form(plain)
        if not found.has(*_LEFT):
            return found.xreplace(back)
    return None
