"""Quotients with a value at 0 that rounding, or 0/0, would spoil; the value is the same elsewhere.

f(x)/x, x/f(x)                     functions of their own, f odd: the limit at 0 is their value
(e^x - 1)/x                        tanh(x/2)/x (1 + e^x)
(1 - cos x)/x, (cosh x - 1)/x      2 sin^2(x/2)/x, 2 sinh^2(x/2)/x
(sqrt(1 + x) - 1)/x                1/(sqrt(1 + x) + 1)
log(1 + x)/x                       2 logratio(1 + x, 1)/(2 + x)

Arguments may be multiples c x of what is divided by. A difference that nothing is divided by stays as it was written.
"""

from __future__ import annotations

from typing import NamedTuple

import sympy as sp

from metrigen.spec.functions import QUOTIENTS, ROOTS
from metrigen.spec.means import logratio

_HALF = sp.Rational(1, 2)
_INVERSE = {sp.coth: sp.tanh, sp.csch: sp.sinh, sp.cot: sp.tan, sp.csc: sp.sin}
Powers = dict[sp.Expr, sp.Expr]


def powers(e: sp.Expr) -> Powers:
    """The exponents of the factors of a product."""
    return {f.base if f.is_Pow else f: f.exp if f.is_Pow else sp.S.One for f in sp.Mul.make_args(e)}


def product(table: Powers) -> sp.Expr:
    return sp.Mul(*(b**n for b, n in table.items()))


def without_zeros(e: sp.Mul) -> sp.Expr:
    """A product with the quotients that have a value at 0 in the forms above."""
    table = powers(e)
    changed = _differences(table)
    return product(table) if _odd(table) or changed else e


def joined(e: sp.Add) -> sp.Expr:
    """A sum with two terms over one denominator as a fraction, where that has a form of its own: e^x/x - 1/x."""
    over: dict[sp.Expr, list[sp.Expr]] = {}
    for term in e.args:
        over.setdefault(_below(term), []).append(term)
    made = e
    for below, terms in over.items():
        if below != 1 and len(terms) == 2:
            table = {sp.Add(*(term * below for term in terms)): sp.S.One}
            table.update({b: -n for b, n in powers(below).items()})
            if _differences(table):
                _odd(table)
                made = made - sp.Add(*terms) + product(table)
    return made


def _below(term: sp.Expr) -> sp.Expr:
    return product({b: -n for b, n in powers(term).items() if n.is_Rational and n.is_negative and not b.is_number})


def _odd(table: Powers) -> bool:
    """f(c x)/x and x/f(c x) for odd f, as often as they stand there. Were there any?"""
    changed = False
    for base in list(table):
        of = _INVERSE.get(type(base), type(base))
        count = table[base] if of is type(base) else -table[base]
        if of not in QUOTIENTS or not count.is_Integer or count == 0:
            continue
        argument = _inside(base.args[0], table)
        over = {g: n for g, p in argument.items() if (n := _times(table, g, p, count)) > 0}
        if not over:
            continue
        times = min(abs(count), *over.values()) * sp.sign(count)
        root = any(argument[g] == _HALF for g in over)
        quotient = ROOTS[of](0, base.args[0] ** 2) if root else QUOTIENTS[of](0, base.args[0])
        table[base] -= times if of is type(base) else -times
        _multiply(table, {**argument, quotient: sp.S.One}, times)
        changed = True
    return changed


def _multiply(table: Powers, factors: Powers, times: sp.Expr) -> None:
    for factor, power in factors.items():
        table[factor] = table.get(factor, sp.S.Zero) + times * power


def _inside(argument: sp.Expr, table: Powers) -> Powers:
    """The factors of an argument, a sum among them with the sign that it has in the table."""
    number, rest = argument.as_content_primitive()
    if rest.is_Add and rest not in table and -rest in table:
        number, rest = -number, -rest
    found = powers(rest)
    if number != 1:
        found[number] = found.get(number, sp.S.Zero) + 1
    return found


def _times(table: Powers, factor: sp.Expr, power: sp.Expr, count: sp.Expr) -> int:
    """With how many of an argument a factor of it cancels, where ``count`` functions of it stand in the table."""
    other = -table.get(factor, sp.S.Zero) * sp.sign(count)
    if factor.is_number or not (power.is_Rational and power.is_positive and other.is_Rational and other.is_positive):
        return 0
    return int(sp.ceiling(other / power))


class _Form(NamedTuple):
    """A factor is x^times rest, and vanishes with x."""

    x: sp.Expr
    times: int
    rest: sp.Expr


def _differences(table: Powers) -> bool:
    """The differences that vanish with what they are divided by, or divide, without a cancellation. Were there any?"""
    changed = False
    for base, count in list(table.items()):
        found = _form(base) if count.is_Integer and count != 0 and len(table) > 1 else None
        if found is None:
            continue
        inside = _inside(found.x, table)
        if any(_times(table, g, p, count) for g, p in inside.items()):
            del table[base]
            _multiply(table, inside, found.times * count)
            _multiply(table, powers(found.rest), count)
            changed = True
    return changed


def _form(base: sp.Expr) -> _Form | None:
    if isinstance(base, sp.log):
        a = base.args[0]
        return _Form(a - 1, 1, 2 / (a + 1) * logratio(0, a, 1))
    if not (base.is_Add and len(base.args) == 2):
        return None
    number_last = sorted(base.args, key=lambda term: term.is_number)
    return _difference(*number_last) or _difference(*reversed(number_last))


def _difference(term: sp.Expr, other: sp.Expr) -> _Form | None:
    """term + other, where it is f(x) - 1 but for a factor."""
    f = -term / other
    if f.is_Mul and all(isinstance(g, sp.exp) for g in f.args):
        f = sp.exp(sp.Add(*(g.args[0] for g in f.args)))
    if isinstance(f, sp.exp):
        x = f.args[0]
        return _Form(x, 0, sp.tanh(x / 2) * (term - other))
    if isinstance(f, sp.cos):
        x = f.args[0]
        return _Form(x, 0, 2 * other * sp.sin(x / 2) ** 2)
    if isinstance(f, sp.cosh):
        x = f.args[0]
        return _Form(x, 0, -2 * other * sp.sinh(x / 2) ** 2)
    if (f.is_Mul or f.is_Pow) and _root(f):
        return _Form(sp.expand(term**2 - other**2), 1, 1 / (term - other))
    return None


def _root(f: sp.Expr) -> bool:
    """A square root that is positive where it is real, times what is positive."""
    halves = {b for b, n in powers(f).items() if (2 * n).is_Integer and not n.is_Integer}
    return bool(halves) and all(b in halves or b.is_positive for b in powers(f))
