"""Take numbers and signs out of the sums in a product, so that equal ones are seen to be equal.

    (-a/2 - b/2) c  ->  -(a + b) c / 2,    (b - a)^2  ->  (a - b)^2,    m^2  ->  m for an indicator m

Of a sum and its negative one is written everywhere. A number is taken out that all terms have, up to the sign; another
would be a product more. Invariant: the value of every store and sum, to rounding.
"""

from __future__ import annotations

from dataclasses import replace

import sympy as sp

from metrigen.ir.nodes import Inside, Map, Program
from metrigen.passes.products import Powers, joined, rewritten, split


def take_contents(program: Program) -> Program:
    return replace(program, body=tuple(rewritten(s, _product, {}) if isinstance(s, Map) else s for s in program.body))


def primitive(expr: sp.Add) -> tuple[sp.Expr, sp.Expr]:
    """The number that all terms of a sum have, with a sign, and the sum without it."""
    terms = [term.as_coeff_Mul() for term in expr.args]
    sizes = {abs(number) for number, _ in terms}
    size = sizes.pop() if len(sizes) == 1 else sp.S.One
    number = -size if expr.could_extract_minus_sign() else size  # as ``cse`` chooses it for what stands alone
    return number, expr if number == 1 else sp.Add(*(_quotient(n, number) * rest for n, rest in terms))


def _quotient(number: sp.Expr, by: sp.Expr) -> sp.Expr:
    """Exactly 1 or -1 where they differ in sign alone."""
    return sp.sign(number) * sp.sign(by) if abs(number) == abs(by) else number / by


def _product(expr: sp.Expr) -> sp.Expr:
    if not (expr.is_Mul or (expr.is_Pow and expr.exp.is_Integer)):
        return expr
    number, powers = split(expr)
    found: Powers = {}
    for base, exponent in powers.items():
        if isinstance(base, Inside):
            exponent = min(exponent, 1)
        elif base.is_Add:
            content, base = primitive(base)
            number *= content**exponent
        found[base] = found.get(base, 0) + exponent
    return expr if found == powers else joined(number, found)
