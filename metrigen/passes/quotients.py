"""Difference quotients of expressions, without a difference: h(z1) - h(z0) = sum_j g_j (z1_j - z0_j), exactly.

    d(a b)  = mean(a) db + mean(b) da         mean(a) = (a0 + a1)/2, of an affine a its value at the middle
    d f(a)  = f[a0, a1] da                    f[a0, a1] = (f(a1) - f(a0))/(a1 - a0) in closed form:

    a^n      sum_i a0^i a1^(n-1-i)            1/a       -1/(a0 a1)               sqrt a    1/(sqrt a0 + sqrt a1)
    exp      exp(m) sinhc(d/2)                sin, cos  cos(m) sinc(d/2), -sin(m) sinc(d/2)
    tanh     tanh(d)/d (1 - tanh a0 tanh a1)  log       artanhc(d/(2 m))/m       |a|       (a0 + a1)/(|a0| + |a1|)

    d hypot(a, b) = 2 (mean(a) da + mean(b) db)/(hypot0 + hypot1)
    d(2ab/(a + b)) = 2 (q0 q1 da + p0 p1 db), p = a/(a + b), q = 1 - p

with m = mean(a) and d = a1 - a0. Every g_j is smooth where h is, symmetric in the two ends, and the derivative where
they meet, so a g of this kind is a discrete gradient of second order. Nothing is subtracted that is nearly equal: g is
as accurate at a difference of a rounding as at a large one; of log a alone the roundings grow, by a factor
r/2 where a1/a0 = r or 1/r is large, and of asinh a between ends far beyond 1 on both sides of 0.

References: T. Itoh, K. Abe (1988), Hamiltonian-conserving discrete canonical equations based on variational difference
quotients; R. McLachlan, G. Quispel, N. Robidoux (1999), Geometric integration using discrete gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field

import sympy as sp

from metrigen.errors import SpecError
from metrigen.ir.nodes import Load
from metrigen.ir.secants import artanhc, ratio
from metrigen.ir.stumpff import stumpff
from metrigen.spec.distance import hypot
from metrigen.spec.functions import choose, logcosh, sigmoid
from metrigen.spec.means import harmonicmean, share

BEGIN, END, MIDDLE = "begin", "end", "middle"
_HALF = sp.Rational(1, 2)
_ROOTS = 8  # of which a^(p/q) is a power of a root


def at(name: str, place: str) -> str:
    """Name of an array at one of the ends of a segment, or in its middle."""
    return f"{name}__{place}"


@dataclass
class Quotients:
    """The quotients of one expression.

    moving  arrays that differ between the ends
    affine  those of them that are affine in the state: their mean is their value in the middle
    """

    moving: Set[str]
    affine: Set[str]
    part: str
    found: dict[Load, list[sp.Expr]] = field(default_factory=dict)

    def of(self, expr: sp.Expr) -> dict[Load, sp.Expr]:
        """g by load; raises SpecError where a function has no quotient in closed form."""
        self.found = {}
        self._flow(expr, sp.S.One)
        return {load: sp.Add(*terms) for load, terms in self.found.items()}

    def moves(self, e: sp.Expr) -> bool:
        return any(load.array in self.moving for load in e.atoms(Load))

    def at(self, e: sp.Expr, place: str) -> sp.Expr:
        loads = (x for x in e.atoms(Load) if x.array in self.moving)
        return e.xreplace({x: x.renamed(at(x.array, place)) for x in loads})

    def ends(self, e: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
        return self.at(e, BEGIN), self.at(e, END)

    def mean(self, e: sp.Expr) -> sp.Expr:
        """(e0 + e1)/2; what is affine in the state is taken at the middle."""
        parts = sp.Add.make_args(e)
        straight = sp.Add(*(p for p in parts if self.is_affine(p)))
        curved = sp.Add(*(p for p in parts if not self.is_affine(p)))
        return self.at(straight, MIDDLE) + (0 if curved == 0 else sp.Add(*self.ends(curved)) / 2)

    def is_affine(self, e: sp.Expr) -> bool:
        if not self.moves(e):
            return True
        if isinstance(e, Load):
            return e.array in self.affine
        if e.is_Add:
            return all(map(self.is_affine, e.args))
        varying = [f for f in e.args if self.moves(f)]
        return bool(e.is_Mul) and len(varying) == 1 and self.is_affine(varying[0])

    def _flow(self, e: sp.Expr, weight: sp.Expr) -> None:
        """Add weight times the quotients of ``e``."""
        if not self.moves(e):
            return
        if isinstance(e, Load):
            self.found.setdefault(e, []).append(weight)
        elif e.is_Add:
            for term in e.args:
                self._flow(term, weight)
        elif e.is_Mul:
            factors = e.as_ordered_factors()
            fixed = sp.Mul(*(f for f in factors if not self.moves(f)))
            first, *others = (f for f in factors if self.moves(f))
            rest = sp.Mul(*others)
            self._flow(first, weight * fixed * (self.mean(rest) if others else sp.S.One))
            if others:
                self._flow(rest, weight * fixed * self.mean(first))
        elif e.is_Pow:
            self._power(e, weight)
        elif isinstance(e, (sp.Max, sp.Min)):
            self._larger(e, weight)
        elif isinstance(e, harmonicmean):
            self._harmonic(e, weight)
        elif isinstance(e, hypot):
            for a in e.args:
                self._flow(a, weight * ratio(2 * self.mean(a), sp.Add(*self.ends(e))))
        else:
            rule = _FUNCTIONS.get(e.func.__name__)
            if rule is None:
                raise self._refused(e)
            self._flow(e.args[0], weight * rule(self, e.args[0]))

    def _power(self, e: sp.Expr, weight: sp.Expr) -> None:
        base, exponent = e.as_base_exp()
        exact = _exact(exponent)
        if exact.is_Rational and exact.q <= _ROOTS:
            self._flow(base, weight * self._rational(base, exact))
        elif base.is_positive:
            power = exponent * sp.log(base)
            self._flow(power, weight * _exp(self, power))
        else:
            raise self._refused(e, "a real power of what may be zero")

    def _rational(self, base: sp.Expr, exponent: sp.Rational) -> sp.Expr:
        """The quotient of a^(p/q), which is the p-th power of the root r: r[..] times the quotient of r^p."""
        p, q = abs(int(exponent.p)), int(exponent.q)
        r = base if q == 1 else base ** sp.Rational(1, q)
        r0, r1 = self.ends(r)
        mean = self.mean(base) if q == 1 else (r0 + r1) / 2
        quotient = power_quotient(r0, r1, mean, p)
        if exponent.is_negative:
            quotient = -quotient / (r0**p * r1**p)
        if q == 1:
            return quotient
        steepness = power_quotient(r0, r1, mean, q)
        return quotient / steepness if base.is_positive else ratio(quotient, steepness)

    def _larger(self, e: sp.Expr, weight: sp.Expr) -> None:
        """Max(a, b) = (a + b + |a - b|)/2, Min with the other sign."""
        first, *others = sorted(e.args, key=sp.default_sort_key)
        rest = e.func(*others)
        side = _abs(self, first - rest) * (1 if isinstance(e, sp.Max) else -1)
        self._flow(first, weight * (1 + side) / 2)
        self._flow(rest, weight * (1 - side) / 2)

    def _harmonic(self, e: harmonicmean, weight: sp.Expr) -> None:
        """d(2 a b/(a + b)) = 2 (q0 q1 da + p0 p1 db) with the shares p = a/(a + b), q = 1 - p of both ends."""
        a, b = e.args
        for one, other in ((a, b), (b, a)):
            self._flow(one, weight * 2 * sp.Mul(*self.ends(share(0, other, one))))

    def _refused(self, e: sp.Expr, what: str = "") -> SpecError:
        name = what or e.func.__name__
        why = "what jumps has none" if name == "sign" else "no closed form of its difference quotient is known"
        return SpecError(
            f"DiscreteGradient has no quotient of {name}: {e}",
            part=self.part,
            why=f"{why}, and a difference of two energies would lose the digits that small steps need",
            fix="write it with "
            + ", ".join(sorted([*_FUNCTIONS, "Max", "Min", "hypot"]))
            + " and powers; u*Abs(u) for "
            "u**2*sign(u); ImplicitMidpoint takes any function",
            see="discrete-gradient",
        )


def _exact(exponent: sp.Expr) -> sp.Expr:
    """A float is the fraction that it is, where that is a simple one: 1.5 is 3/2."""
    return sp.Rational(float(exponent)) if exponent.is_Float else exponent


def power_quotient(a: sp.Expr, b: sp.Expr, mean: sp.Expr, n: int) -> sp.Expr:
    """(b^n - a^n)/(b - a) = sum_i a^i b^(n-1-i), in factors: a^(2k) - b^(2k) = (a^k - b^k)(a^k + b^k)."""
    if n == 0:
        return sp.S.Zero
    if n == 1:
        return sp.S.One
    if n % 2 == 0:
        half = n // 2
        return (2 * mean if half == 1 else a**half + b**half) * power_quotient(a, b, mean, half)
    return sp.Add(*(a**i * b ** (n - 1 - i) for i in range(n)))


Rule = Callable[[Quotients, sp.Expr], sp.Expr]


def _difference(of: Quotients, a: sp.Expr) -> sp.Expr:
    begin, end = of.ends(a)
    return end - begin


def _exp(of: Quotients, a: sp.Expr) -> sp.Expr:
    return stumpff(sp.S.One, -(_difference(of, a) ** 2) / 4, -of.mean(a))


def _sinc(of: Quotients, a: sp.Expr, sign: int = 1) -> sp.Expr:
    """sin(d/2)/(d/2), or with sign -1 sinh(d/2)/(d/2)."""
    return stumpff(sp.S.One, sign * _difference(of, a) ** 2 / 4, sp.S.Zero)


def _steep(square: sp.Expr) -> sp.Expr:
    """tanh(w)/w of w^2, with a decay above and below, so that neither overflows."""
    decay = sp.sqrt(1 + square)
    return stumpff(sp.S.One, -square, decay) / stumpff(sp.S.Zero, -square, decay)


def _tanh(of: Quotients, a: sp.Expr) -> sp.Expr:
    """tanh a1 - tanh a0 = tanh(d)(1 - tanh a0 tanh a1), and the second factor r0 + r1 - r0 r1 with r = 1 - tanh|a| of
    the end that is farther from 0, 1 + tanh|a| of one on the other side: of positive numbers that do not cancel."""
    side = choose(of.mean(a), sp.S.One, sp.S.NegativeOne)
    r0, r1 = (2 * sigmoid(-2 * side * end) for end in of.ends(a))
    return _steep(_difference(of, a) ** 2) * (r0 + r1 - r0 * r1)


def _tan(of: Quotients, a: sp.Expr) -> sp.Expr:
    """tan a1 - tan a0 = sin(d)/(cos a0 cos a1)."""
    begin, end = of.ends(a)
    return stumpff(sp.S.One, _difference(of, a) ** 2, sp.S.Zero) / (sp.cos(begin) * sp.cos(end))


def _log(of: Quotients, a: sp.Expr) -> sp.Expr:
    """log(a1/a0) = 2 artanh((a1 - a0)/(a1 + a0))."""
    middle = of.mean(a)
    return artanhc(sp.S.Zero, (_difference(of, a) / (2 * middle)) ** 2) / middle


def _half_angle(of: Quotients, a: sp.Expr, square: sp.Expr, sign: int) -> sp.Expr:
    """Of f with f' = 1/root: the (hyperbolic) tangent of half of f(a1) - f(a0) is d/(root0 + root1)."""
    whole = sp.Add(*(sp.sqrt(s) for s in of.ends(square)))
    return 2 * artanhc(sp.S.Zero, sign * (_difference(of, a) / whole) ** 2) / whole


def _logcosh(of: Quotients, a: sp.Expr) -> sp.Expr:
    """log cosh a1 - log cosh a0 = 2 artanh(tanh(m) tanh(d/2)); where that argument nears one the ends are far apart,
    and their difference loses nothing."""
    square, middle = _difference(of, a) ** 2 / 4, sp.tanh(of.mean(a))
    steep = _steep(square)
    argument = middle**2 * steep**2 * square
    near = sp.Rational(1, 4) - argument
    begin, end = of.ends(a)
    apart = ratio(logcosh(end) - logcosh(begin), end - begin)
    return choose(near, artanhc(sp.S.Zero, choose(near, argument, sp.S.Zero)) * middle * steep, apart)


def _sech(of: Quotients, a: sp.Expr) -> sp.Expr:
    """sech a1 - sech a0 = -2 sinh(m) sinh(h)/(cosh a0 cosh a1), h = d/2, above and below over cosh(m)^2, which may
    overflow; where |h| > 1 a difference loses nothing."""
    middle, square = of.mean(a), _difference(of, a) ** 2 / 4
    inside = choose(1 - square, square, sp.S.Zero)
    even, odd = (stumpff(k, -inside, sp.S.Zero) for k in (sp.S.Zero, sp.S.One))
    near = -sp.tanh(middle) * sp.sech(middle) * odd / (even**2 - sp.tanh(middle) ** 2 * inside * odd**2)
    begin, end = of.ends(a)
    return choose(1 - square, near, ratio(sp.sech(end) - sp.sech(begin), end - begin))


def _abs(of: Quotients, a: sp.Expr) -> sp.Expr:
    begin, end = of.ends(a)
    return ratio(begin + end, sp.Abs(begin) + sp.Abs(end))


_FUNCTIONS: Mapping[str, Rule] = {
    "Abs": _abs,
    "acos": lambda of, a: -_half_angle(of, a, 1 - a**2, -1),
    "asin": lambda of, a: _half_angle(of, a, 1 - a**2, -1),
    "asinh": lambda of, a: _half_angle(of, a, 1 + a**2, 1),
    "cos": lambda of, a: -sp.sin(of.mean(a)) * _sinc(of, a),
    "cosh": lambda of, a: sp.sinh(of.mean(a)) * _sinc(of, a, -1),
    "exp": _exp,
    "log": _log,
    "logcosh": _logcosh,
    "sech": _sech,
    "sigmoid": lambda of, a: _tanh(of, a / 2) / 4,
    "sin": lambda of, a: sp.cos(of.mean(a)) * _sinc(of, a),
    "sinh": lambda of, a: sp.cosh(of.mean(a)) * _sinc(of, a, -1),
    "softplus": lambda of, a: (1 + _logcosh(of, a / 2)) / 2,
    "tan": _tan,
    "tanh": _tanh,
}  # fmt: skip
