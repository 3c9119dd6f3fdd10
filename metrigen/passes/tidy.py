"""Write a sum of stencil contributions as a person would: one term per coefficient.

Invariant: the value. Rational contents move to the front, powers of an indicator are the indicator, terms with the
same parameter factor are gathered, and where what they multiply is linear in the loads with rational weights the
weights are added: c (4u - u_e - u_w - ...) instead of c (u - u_e) + c (u - u_w) + ...
"""

from __future__ import annotations

import sympy as sp

from metrigen.ir.nodes import Inside, Load


def tidy(expr: sp.Expr) -> sp.Expr:
    """Gather the terms of a sum by their parameter factor."""
    expr = indicators(expr)
    groups: dict[sp.Expr, list[sp.Expr]] = {}
    for term in sp.Add.make_args(expr):
        number, factors = _contents(term)
        fixed = sp.Mul(*(f for f in factors if not f.has(Load, Inside)))
        local = sp.Mul(*(f for f in factors if f.has(Load, Inside)))
        groups.setdefault(fixed, []).append(_linear(number, local))
    return sp.Add(*(fixed * sp.Add(*terms) for fixed, terms in groups.items()))


def indicators(expr: sp.Expr) -> sp.Expr:
    """Powers of an indicator are the indicator."""
    powers = {p: p.base for p in expr.atoms(sp.Pow) if isinstance(p.base, Inside) and p.exp.is_positive}
    return expr.xreplace(powers) if powers else expr


def _contents(term: sp.Expr) -> tuple[sp.Expr, list[sp.Expr]]:
    number, factors = sp.S.One, []
    for factor in sp.Mul.make_args(term):
        if factor.is_Rational:
            number *= factor
        elif factor.is_Add:
            content, primitive = factor.primitive()
            number *= content
            factors.append(primitive)
        else:
            factors.append(factor)
    return number, factors


def _linear(number: sp.Expr, local: sp.Expr) -> sp.Expr:
    """number * (sum of rational multiples of loads), multiplied out; anything else as it is."""
    if local.is_Add and all(term.as_coeff_Mul()[1].is_Symbol for term in local.args):
        return sp.Add(*(number * term for term in local.args))
    return number * local
