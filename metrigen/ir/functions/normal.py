"""An expression as it is evaluated: without what rounding, overflow or 0/0 would spoil. The value is the same.

x**2.0                      x**2: exponents that are whole or halves are exact
Heaviside(x)                (1 + sign x)/2
x**(a + 1)/x                x**a: powers of one base are one power
Max(x, 0)**a x              Max(x, 0)**(a + 1), and |x|**a x**2 = |x|**(a + 2), for a that is no whole number;
                            (2|x|)**a = 2**a |x|**a
log(cosh x), sinh x/cosh x  logcosh x, tanh x; 1/cosh x is sech x, 1/sinh x is csch x
log(1 + e^x), 1/(1 + e^x)   softplus x, sigmoid(-x)
f(x)/x, (e^x - 1)/x, ...    forms with a value at 0 (removable)
"""

from __future__ import annotations

from fractions import Fraction

import sympy as sp

from metrigen.ir.functions.removable import joined, powers, product, without_zeros
from metrigen.ir.nodes import Inside
from metrigen.spec.functions import logcosh, sigmoid, softplus
from metrigen.spec.neural import learned
from metrigen.spec.words import worded


def normal(expr: sp.Expr) -> sp.Expr:
    """The expression in the form in which it is differentiated and printed."""
    return _Normal().of(worded(sp.sympify(expr)))


class _Normal:
    def __init__(self) -> None:
        self.done: dict[sp.Basic, sp.Basic] = {}

    def of(self, e: sp.Basic) -> sp.Basic:
        if not e.args:
            return e
        if e not in self.done:
            self.done[e] = self._made(e)
        return self.done[e]

    def _made(self, e: sp.Basic) -> sp.Basic:
        if isinstance(e, learned):
            return e.func(e.args[0], *(self.of(a) for a in e.args[1:]))
        args = [self.of(a) for a in e.args]
        if isinstance(e, sp.Heaviside):
            return _step(*args)
        made = e if all(a is b for a, b in zip(args, e.args, strict=True)) else e.func(*args)
        if isinstance(made, sp.Pow):
            return _power(made)
        if isinstance(made, sp.Mul):
            return _product(made)
        if isinstance(made, sp.Add):
            return joined(made)
        return _logarithm(made) if isinstance(made, sp.log) else made


def _step(x: sp.Expr, at_zero: sp.Expr = sp.S.Half) -> sp.Expr:
    sign = sp.sign(x)
    middle = sp.S.Zero if at_zero == sp.S.Half else (at_zero - sp.S.Half) * (1 - sign**2)
    return (1 + sign) / 2 + middle


def exact(exponent: sp.Expr) -> sp.Expr:
    """A float that is a whole number or a half as a rational."""
    if not exponent.is_Float:
        return exponent
    value = Fraction(float(exponent))
    return sp.Rational(value.numerator, value.denominator) if value.denominator <= 4 else exponent


def _power(e: sp.Pow) -> sp.Expr:
    base, exponent = e.base, exact(e.exp)
    if exponent.is_Rational and base.is_Mul:
        walls = [f for f in base.args if isinstance(f, Inside) or (f.is_Pow and isinstance(f.base, Inside))]
        if walls and exponent.is_positive:
            # 0 or 1: its power is itself, and outside of the power it has no derivative that is infinite.
            rest = sp.Mul(*(f for f in base.args if f not in walls))
            return sp.Mul(*walls) * rest**exponent
    if not exponent.is_number and base.is_Mul and all(f.is_positive or isinstance(f, sp.Abs) for f in base.args):
        return sp.Mul(*(f**exponent for f in base.args))
    if exponent.is_Rational and exponent.is_negative and base.is_Add:
        found = _sigmoid(base)
        if found is not None:
            return found ** (-exponent)
    if exponent.is_Rational and exponent.is_negative and isinstance(base, (sp.cosh, sp.sinh)):
        return (sp.sech if isinstance(base, sp.cosh) else sp.csch)(*base.args) ** (-exponent)
    return e if exponent == e.exp else base**exponent


def _sigmoid(base: sp.Add) -> sp.Expr | None:
    """1/(1 + e^x) is sigmoid(-x)."""
    if len(base.args) == 2 and base.args[0] == 1 and isinstance(base.args[1], sp.exp):
        return sigmoid(-base.args[1].args[0])
    return None


def _logarithm(e: sp.log) -> sp.Expr:
    (inner,) = e.args
    if isinstance(inner, sp.cosh):
        return logcosh(*inner.args)
    if isinstance(inner, sp.Pow) and isinstance(inner.base, sp.cosh):
        return inner.exp * logcosh(*inner.base.args)
    if isinstance(inner, sp.Mul):
        number, rest = inner.as_coeff_Mul()
        if number.is_positive and number != 1 and isinstance(rest, sp.cosh):
            return sp.log(number) + logcosh(*rest.args)
    if inner.is_Add and len(inner.args) == 2:
        one, two = inner.args
        if isinstance(two, sp.exp) and one == 1:
            return softplus(*two.args)
        if isinstance(one, sp.exp) and isinstance(two, sp.exp):
            first, second = one.args[0], two.args[0]
            difference = first - second
            if difference == -2 * second:  # e^x + e^-x
                return sp.log(2) + logcosh(first)
            return second + softplus(difference)
    return e


def _product(e: sp.Mul) -> sp.Expr:
    """Powers of one base as one power; then quotients with a name of their own."""
    exponents: dict[sp.Expr, list[sp.Expr]] = {}
    for factor in e.args:
        base, exponent = (factor.base, factor.exp) if factor.is_Pow else (factor, sp.S.One)
        exponents.setdefault(factor if base.is_number else base, []).append(sp.S.One if base.is_number else exponent)
    if any(len(found) > 1 for found in exponents.values()):
        merged = sp.Mul(*(base ** sp.Add(*found) for base, found in exponents.items()))
        if not merged.is_Mul:
            return merged
        e = merged
    e = _kinks(e)
    e = _hyperbolic(e) if e.is_Mul else e
    return _exponentials(without_zeros(e)) if e.is_Mul else e


def _kinks(e: sp.Mul) -> sp.Expr:
    """Max(x, 0)^a x^n = Max(x, 0)^(a + n), |x|^a x^n = |x|^(a + n), with sign(x) for odd n, where nothing says that
    a + n <= 0: the derivative of one power is finite at 0, that of the product has 0 times infinite there. Whole a need
    no such form; a may be learned, but for the clamp, which is 1 where a = 0 and x < 0, it must be positive."""
    table = powers(e)
    number, changed = sp.S.One, False
    for base, a in list(table.items()):
        clamped = isinstance(base, sp.Max) and len(base.args) == 2 and base.args[0] == 0
        if not (clamped or isinstance(base, sp.Abs)) or a.is_integer or (clamped and not a.is_positive):
            continue
        factor, x = base.args[-1].as_coeff_Mul()
        n, side = table.get(x, sp.S.Zero), sp.sign(x)
        signs = table.get(side, sp.S.Zero)
        if not (n.is_Integer and signs.is_Integer):
            continue
        odd = not clamped and n % 2 == 1
        if odd and signs % 2 == 0 and a.is_number and a > 1:
            n, odd = n - 1, False  # x beside a power whose derivative is finite
        if n == 0 or (a + n).is_nonpositive:
            continue
        table[base], table[x] = a + n, table[x] - n
        if odd:
            table[side] = 1 - signs % 2
        number, changed = number * (factor if clamped else sp.Abs(factor)) ** -n, True
    return number * product(table) if changed else e


def _hyperbolic(e: sp.Mul) -> sp.Expr:
    """sinh x sech x = tanh x, cosh x csch x = coth x."""
    table = powers(e)
    changed = False
    for up, down, made in ((sp.sinh, sp.sech, sp.tanh), (sp.cosh, sp.csch, sp.coth)):
        for base in [b for b in table if isinstance(b, up)]:
            other = down(*base.args)
            n, m = table.get(base, sp.S.Zero), table.get(other, sp.S.Zero)
            if n.is_Integer and m.is_Integer and n > 0 and m > 0:
                least = min(n, m)
                table[base], table[other] = n - least, m - least
                quotient = made(*base.args)
                table[quotient] = table.get(quotient, sp.S.Zero) + least
                changed = True
    return product(table) if changed else e


def _exponentials(e: sp.Expr) -> sp.Expr:
    """e^x sigmoid(-x) = sigmoid(x)."""
    table = powers(e)
    for base in [b for b in table if isinstance(b, sp.exp)]:
        other = sigmoid(-base.args[0])
        n, m = table[base], table.get(other, sp.S.Zero)
        if n == 1 and m.is_Integer and m >= 1:
            table[base], table[other] = sp.S.Zero, m - 1
            made = sigmoid(base.args[0])
            table[made] = table.get(made, sp.S.Zero) + 1
            return product(table)
    return e
