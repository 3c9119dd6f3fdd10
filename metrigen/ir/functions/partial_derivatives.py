"""Derivatives almost everywhere, in forms that are exact where the derivative is finite.

SymPy's own are equal and not as good to evaluate: 1 - tanh^2 cancels, x^a a/x is 0/0 at 0, and the root of what
is clamped to 0 is infinite times 0. At a kink (Max, Min, Abs) a derivative is the mean of both sides, at a jump
(sign, floor, Piecewise) that of the branch.
"""

from __future__ import annotations

from collections.abc import Callable

import sympy as sp

from metrigen.ir.functions.normal import exact, normal
from metrigen.spec.functions import ROOTS, Quotient, choose, cosatan, guard, polar, powlog
from metrigen.spec.neural import learned

Rule = Callable[..., tuple[sp.Expr, ...]]

_RULES: dict[type, Rule] = {
    sp.exp: lambda x: (sp.exp(x),),
    sp.log: lambda x: (1 / x,),
    sp.sin: lambda x: (sp.cos(x),),
    sp.cos: lambda x: (-sp.sin(x),),
    sp.tan: lambda x: (1 + sp.tan(x) ** 2,),
    sp.cot: lambda x: (-(sp.csc(x) ** 2),),
    sp.sec: lambda x: (sp.sec(x) * sp.tan(x),),
    sp.csc: lambda x: (-sp.csc(x) * sp.cot(x),),
    sp.tanh: lambda x: (sp.sech(x) ** 2,),
    sp.coth: lambda x: (-(sp.csch(x) ** 2),),
    sp.sech: lambda x: (-sp.sech(x) * sp.tanh(x),),
    sp.csch: lambda x: (-sp.csch(x) * sp.coth(x),),
    sp.sinh: lambda x: (sp.cosh(x),),
    sp.cosh: lambda x: (sp.sinh(x),),
    sp.asinh: lambda x: (cosatan(x),),
    sp.acosh: lambda x: (1 / (sp.sqrt(x - 1) * sp.sqrt(x + 1)),),
    sp.atanh: lambda x: (1 / (1 - x**2),),
    sp.asin: lambda x: (1 / sp.sqrt(1 - x**2),),
    sp.acos: lambda x: (-1 / sp.sqrt(1 - x**2),),
    sp.atan: lambda x: (polar(1, x),),
    sp.atan2: lambda y, x: (polar(x, y), -polar(y, x)),
    sp.erf: lambda x: (2 / sp.sqrt(sp.pi) * sp.exp(-(x**2)),),
    sp.erfc: lambda x: (-2 / sp.sqrt(sp.pi) * sp.exp(-(x**2)),),
    sp.loggamma: lambda x: (sp.polygamma(0, x),),
    sp.sign: lambda x: (sp.S.Zero,),
    sp.Abs: lambda x: (sp.sign(x),),
}


def partial_derivative(expr: sp.Expr, symbol: sp.Symbol) -> sp.Expr:
    """d expr/d symbol almost everywhere."""
    return PartialDerivatives(expr).along(symbol)


class PartialDerivatives:
    """The derivatives of one expression by several symbols."""

    def __init__(self, expr: sp.Expr) -> None:
        self._normal = normal(expr)

    def along(self, symbol: sp.Symbol) -> sp.Expr:
        return normal(_PartialDerivative(symbol).of(self._normal))


def almost_everywhere(derivative: sp.Expr) -> sp.Expr:
    """A derivative without its deltas, steps as signs."""
    return normal(derivative.xreplace(dict.fromkeys(derivative.atoms(sp.DiracDelta), sp.S.Zero)))


class _PartialDerivative:
    def __init__(self, symbol: sp.Symbol) -> None:
        self.symbol = symbol
        self.done: dict[sp.Basic, sp.Expr] = {symbol: sp.S.One}

    def of(self, e: sp.Expr) -> sp.Expr:
        if not e.args:
            return self.done.get(e, sp.S.Zero)
        if e not in self.done:
            self.done[e] = self._made(e)
        return self.done[e]

    def _made(self, e: sp.Expr) -> sp.Expr:
        if e.is_Add:
            return sp.Add(*(self.of(a) for a in e.args))
        if e.is_Mul:
            terms = []
            for i, a in enumerate(e.args):
                d = self.of(a)
                if d is not sp.S.Zero:
                    terms.append(sp.Mul(*e.args[:i], d, *e.args[i + 1 :]))
            return sp.Add(*terms)
        if e.is_Pow:
            return self._power(e.base, exact(e.exp))
        return self._function(e)

    def _power(self, base: sp.Expr, exponent: sp.Expr) -> sp.Expr:
        by_base, by_exponent = self.of(base), self.of(exponent)
        out = sp.S.Zero
        if by_base is not sp.S.Zero:
            out += exponent * _lowered(by_base, base, exponent)
        if by_exponent is not sp.S.Zero:
            if base.is_number:
                out += base**exponent * sp.log(base) * by_exponent
            else:
                out += powlog(1, base, exponent) * by_exponent
        return out

    def _function(self, e: sp.Expr) -> sp.Expr:
        if isinstance(e, learned):
            inner = [self.of(a) for a in e.arguments]
            return sp.Add(
                *(learned(e.head.raised(i), *e.arguments) * d for i, d in enumerate(inner) if d is not sp.S.Zero)
            )
        inner = [self.of(a) for a in e.args]
        if all(d is sp.S.Zero for d in inner):
            return sp.S.Zero
        if isinstance(e, choose):
            return choose(e.args[0], inner[1], inner[2])
        if isinstance(e, guard):
            return inner[1]
        if isinstance(e, (sp.Max, sp.Min)):
            return _extreme(e, inner)
        if isinstance(e, Quotient) and not e.root and _is_root(e.args[1]):
            return self.of(_by_square(e))
        rule = _RULES.get(e.func)
        partials = rule(*e.args) if rule else tuple(
            e.fdiff(i) if d is not sp.S.Zero else sp.S.Zero for i, d in enumerate(inner, 1)
        )  # fmt: skip
        return sp.Add(*(p * d for p, d in zip(partials, inner, strict=True) if d is not sp.S.Zero))


def _extreme(e: sp.Expr, inner: list[sp.Expr]) -> sp.Expr:
    """The derivative of the largest (smallest) argument; of two that are equal, the mean."""
    terms = []
    for i, (a, d) in enumerate(zip(e.args, inner, strict=True)):
        if d is not sp.S.Zero:
            others = e.func(*(b for j, b in enumerate(e.args) if j != i))
            gap = a - others if isinstance(e, sp.Max) else others - a
            terms.append((1 + sp.sign(gap)) / 2 * d)
    return sp.Add(*terms)


def _lowered(by_base: sp.Expr, base: sp.Expr, exponent: sp.Expr) -> sp.Expr:
    """base' base^(exponent - 1); where base' is 0 the product is, even if base is 0 and its power infinite."""
    lower = exponent - 1
    finite = by_base.is_number or lower.is_nonnegative or exponent.is_negative or base.is_positive
    return by_base * base**lower if finite else by_base * guard(by_base, base) ** lower


def _is_root(x: sp.Expr) -> bool:
    rest = x.as_coeff_Mul()[1]
    return bool(rest.is_Pow and rest.exp == sp.Rational(1, 2))


def _by_square(e: Quotient) -> sp.Expr:
    """f(r)/r with r = sqrt(z) as a function of z, which is smooth at z = 0."""
    number, r = e.args[1].as_coeff_Mul()
    assert e.args[0] == 0
    return ROOTS[type(e).of](0, number**2 * r.base)
