"""Expressions as text. A backend differs only in how it spells functions: its ``dialect.py``.

Literals are Python floats or exact quotients, small integer powers are products, and a sum or product is written in
SymPy's canonical order, so that equal expressions give equal text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import sympy as sp

from metrigen.backends.order import ordered_terms
from metrigen.errors import REPORT, SpecError
from metrigen.ir.functions.powers import exact_in_float32, parts
from metrigen.ir.functions.table import TABLE
from metrigen.ir.functions.target import Target
from metrigen.spec.neural import learned

_ADD, _MUL, _POW, _ATOM = 1, 2, 3, 4
Writer = Callable[..., str]  # of a function, from its printed arguments


@dataclass(frozen=True)
class Dialect:
    """Spelling of one target: ``functions`` maps a SymPy function name to a writer of its printed arguments;
    ``modules``: learned functions can be called; ``raised``: a power with a number of two parts for its
    exponent; ``logarithmic``: a power goes through the logarithm of its base."""

    name: str
    functions: Mapping[str, Writer]
    sqrt: str
    power: str
    literal: str = "{}"
    modules: bool = False
    raised: str = "raised__({base}, {exponent}, {rest})"
    logarithmic: bool = False

    def print(self, expr: sp.Expr) -> str:
        return self._print(expr)[0]

    def _print(self, expr: sp.Expr) -> tuple[str, int]:
        if expr.is_Symbol:
            return expr.name, _ATOM
        number = _constant(expr)
        if number is not None:
            return self._number(number)
        if expr.is_Add:
            return self._add(expr), _ADD
        if expr.is_Mul:
            return self._mul(expr)
        if expr.is_Pow:
            return self._pow(expr.base, expr.exp)
        if isinstance(expr, learned):
            return self._learned(expr), _ATOM
        writer = self.functions.get(expr.func.__name__)
        if writer is None:
            raise SpecError(
                f"{self.name} has no {expr.func.__name__}: cannot print {expr}",
                why="a function needs a form in every language of the package",
                fix="write it with " + ", ".join(sorted(self.functions)),
                see="no-kernel-form",
            )
        return writer(*(self.print(arg) for arg in expr.args)), _ATOM

    def _learned(self, expr: learned) -> str:
        """A call of the object that holds the module: V(phi), or V.d((2,), phi) for its second derivative."""
        if not self.modules:
            raise SpecError(
                f"{self.name} has no learned functions: cannot print {expr}", fix=REPORT, see="no-kernel-form"
            )
        arguments = ", ".join(self.print(a) for a in expr.arguments)
        head = expr.head
        return f"{head.name}.d({head.orders}, {arguments})" if head.order else f"{head.name}({arguments})"

    def _wrap(self, expr: sp.Expr, level: int) -> str:
        text, own = self._print(expr)
        return text if own >= level and not text.startswith("-") else f"({text})"

    def _add(self, expr: sp.Expr) -> str:
        parts: list[str] = []
        for term in sorted(ordered_terms(expr), key=_negative):
            text = self._print(-term)[0] if _negative(term) else self._print(term)[0]
            if _negative(term):
                text = f"({text})" if (-term).is_Add else text
                parts.append(f" - {text}" if parts else f"-{text}")
            else:
                parts.append(f" + {text}" if parts else text)
        return "".join(parts)

    def _mul(self, expr: sp.Expr) -> tuple[str, int]:
        coefficient, rest = expr.as_coeff_Mul()
        over: list[sp.Expr] = []
        under: list[sp.Expr] = []
        for factor in sp.Mul.make_args(rest):
            base, exponent = factor.as_base_exp()
            if (exponent.is_Rational or exponent.is_Float) and exponent.is_negative and not base.is_number:
                under.append(base**-exponent)
            else:
                over.append(factor)
        sign = "-" if coefficient.is_negative else ""
        head = [] if abs(coefficient) == 1 else [self._number(abs(coefficient))[0]]
        text = " * ".join([*head, *(self._wrap(f, _MUL) for f in over)]) or self._one
        for factor in under:
            text += f" / {self._wrap(factor, _POW)}"
        return sign + text, _MUL

    def _pow(self, base: sp.Expr, exponent: sp.Expr) -> tuple[str, int]:
        if exponent.is_Integer and 2 <= exponent <= 4:
            return " * ".join([self._wrap(base, _POW)] * int(exponent)), _MUL
        if exponent == sp.Rational(1, 2):
            return f"{self.sqrt}({self.print(base)})", _ATOM
        if (exponent.is_Rational or exponent.is_Float) and exponent.is_negative:
            return f"{self._one} / {self._wrap(base**-exponent, _POW)}", _MUL
        if exponent.is_Rational and exponent.q == 2 and (base.is_positive or not self.modules):
            # A product with a root: a vector instruction each, where a power is a call for every lane. Where autograd
            # goes through the text, the root of what may be 0 has an infinite derivative that 0 is multiplied with.
            return self._mul(sp.Mul(base ** (exponent - sp.Rational(1, 2)), sp.sqrt(base), evaluate=False))
        if exponent.is_Integer:
            half = base ** (exponent // 2)
            return self._mul(sp.Mul(half, half, base ** (exponent % 2), evaluate=False))
        return self._general(base, exponent), _ATOM

    def _general(self, base: sp.Expr, exponent: sp.Expr) -> str:
        """A power by a call. Of a number: exp(exponent log(number)), whose error is that of its argument."""
        number, power = _constant(base), _constant(exponent)
        if self.logarithmic and number is not None and number.is_positive:
            return self.print(sp.exp(exponent * sp.log(number).evalf(20)))
        if power is None or exact_in_float32(power):
            return self.power.format(base=self.print(base), exponent=self._beside(exponent, base))
        first, rest = (self._number(part)[0] for part in parts(power))
        return self.raised.format(base=self.print(base), exponent=first, rest=rest)

    def _beside(self, exponent: sp.Expr, base: sp.Expr) -> str:
        text = self.print(exponent)
        return as_tile(text, self.print(base)) if self.logarithmic else text

    @property
    def _one(self) -> str:
        return self.literal.format("1.0")

    def _number(self, value: sp.Expr) -> tuple[str, int]:
        if self.literal == "{}":
            return _number(value)
        text = f"{value.p}.0 / {value.q}.0" if _divided(value) else repr(double(value))
        return self.literal.format(text), _ATOM


def _constant(expr: sp.Expr) -> sp.Expr | None:
    """The number that an expression is, exact if rational: sqrt(2) is no call, which would want an array."""
    if expr.is_Rational or expr.is_Float:
        return expr
    if not expr.is_number:
        return None
    value = expr.evalf(20)
    return value if value.is_Float or value.is_Rational else None


_EXACT = 2**53  # integers below are doubles


def double(value: sp.Expr) -> float:
    """The nearest double of a real number. Raises SpecError where there is none."""
    try:
        found = value.p / value.q if value.is_Rational else float(value)  # integers divide exactly, of any size
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise SpecError(f"the number {sp.N(value, 6)} is beyond a double", fix="choose other units", see="number")
    return found


def _negative(term: sp.Expr) -> bool:
    return bool(term.as_coeff_Mul()[0].is_negative)


def _divided(value: sp.Expr) -> bool:
    """Whether a number is written as a quotient of whole numbers: a rational that no double is, of exact parts."""
    return bool(value.is_Rational and value.q & (value.q - 1) and max(abs(value.p), value.q) <= _EXACT)


def _number(value: sp.Expr) -> tuple[str, int]:
    return (f"({value.p} / {value.q})" if _divided(value) else repr(double(value))), _ATOM


DIGITS = r"\d+(?:\.\d*)?(?:e[-+]?\d+)?"
# A number or a quotient of two, as it is printed; never a name such as e or e1. A number ends where its digits do: one
# that could be cut anywhere would be tried in two to the power of its digits ways.
PLAIN = rf"(?:{DIGITS}(?![\d.])|[-() /])+"


def call(spelling: str) -> Writer:
    if "{0}" in spelling:
        return spelling.format
    return lambda *args: f"{spelling}({', '.join(args)})"


def as_tile(argument: str, partner: str) -> str:
    return f"(tl.zeros_like({partner}) + {argument})" if re.fullmatch(PLAIN, argument) else argument


def _ordered(name: str, target: Target, of: Callable[[str], Writer]) -> Writer:
    """A function whose order is part of its name."""

    def write(first: str, *args: str) -> str:
        return of(target.spelling(f"{name}{order(first)}"))(*args)

    return write


def order(text: str) -> int:
    return int(float(re.sub(r"[R()]", "", text)))


def of_order(name: str) -> Writer:
    """A function whose order is the first argument of the call."""
    return lambda first, *args: name.format(order(first)) + f"{', '.join(args)})"


def _chain(pair: Writer) -> Writer:
    """A function of two arguments, nested for more of them."""

    def write(*args: str) -> str:
        return args[0] if len(args) == 1 else pair(args[0], write(*args[1:]))

    return write


def table(
    target: Target, of: Callable[[str], Writer], of_pair: Callable[[str], Writer] | None = None
) -> dict[str, Writer]:
    """The writers of every row of the table in a language: ``of`` a spelling, or ``of_pair`` where the row is a largest
    or a smallest of two."""
    found: dict[str, Writer] = {}
    for row in TABLE:
        if row.ordered:
            found[row.name] = _ordered(row.name, target, of)
        elif row.name in ("Max", "Min"):
            found[row.name] = _chain((of_pair or of)(target.spelling(row.name)))
        else:
            found[row.name] = of(target.spelling(row.name))
    return found
