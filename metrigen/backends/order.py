"""The terms of a sum in the order in which SymPy prints them.

SymPy compares terms by their exponents in everything that stands in the sum, in order. Of n terms in n functions that
takes n^2 numbers; here a term is compared by the exponents that it has.
"""

from __future__ import annotations

import sympy as sp
from sympy.core.exprtools import decompose_power

_SHORT = 2  # terms that are left to SymPy, which writes 1 - x and not -x + 1
_Key = tuple[tuple[tuple[int, ...], ...], tuple[float, float]]


def ordered_terms(expr: sp.Expr) -> list[sp.Expr]:
    """``expr.as_ordered_terms()`` of a real sum, in a time that grows with its length as a sort does."""
    terms = sp.Add.make_args(expr)
    if len(terms) <= _SHORT and any(term.is_number for term in terms):
        return list(expr.as_ordered_terms())
    split = [_split(term) for term in terms]
    gens = sorted({base for _, powers in split for base in powers}, key=sp.default_sort_key)
    place = {base: i for i, base in enumerate(gens)}
    keys = [_key(number, powers, place) for number, powers in split]
    return [terms[i] for i in sorted(range(len(terms)), key=keys.__getitem__)]


def _split(term: sp.Expr) -> tuple[complex, dict[sp.Expr, int]]:
    """The numbers in a term, and the exponents of what else is in it."""
    coefficient, rest = term.as_coeff_Mul()
    number, powers = _complex(coefficient), {}
    for factor in sp.Mul.make_args(rest) if rest is not sp.S.One else ():
        if factor.is_number:
            try:
                number *= _complex(factor)
            except (TypeError, ValueError):  # a function of numbers that SymPy does not evaluate
                pass
            else:
                continue
        base, exponent = decompose_power(factor)
        powers[base] = exponent
    return number, powers


def _complex(number: sp.Expr) -> complex:
    """As SymPy converts it, which first works out the digits of what has them."""
    return complex(float(number)) if number.is_Rational or number.is_Float else complex(number)


def _key(number: complex, powers: dict[sp.Expr, int], place: dict[sp.Expr, int]) -> _Key:
    """Sorts as the exponents of everything, negated, would: at the first place where two terms differ, the one with the
    larger exponent comes first. What is absent has the exponent 0: it stands between positive and negative ones."""
    entries = sorted((place[base], exponent) for base, exponent in powers.items())
    exponents = [(0, i, -n) if n > 0 else (2, -i, -n) for i, n in entries]
    return (*exponents, (1,)), (number.imag, number.real)
