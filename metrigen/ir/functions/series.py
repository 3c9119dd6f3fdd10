"""Taylor coefficients of odd functions, exact, and sums of them as text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import cache
from math import comb, factorial, pi, sqrt


@cache
def odd(name: str, terms: int) -> tuple[float, ...]:
    """Coefficients c_n of f(x) = sum_n c_n x^(2n + 1)."""
    return tuple(float(_COEFFICIENTS[name](n)) for n in range(terms))


def _tangent(n: int) -> Fraction:
    k = n + 1
    b: Fraction = abs(_bernoulli(2 * k))
    power: int = 2 ** (2 * k)
    return b * power * (power - 1) / factorial(2 * k)


@cache
def _bernoulli(m: int) -> Fraction:
    if m == 0:
        return Fraction(1)
    if m > 1 and m % 2:
        return Fraction(0)
    return -sum((comb(m + 1, k) * _bernoulli(k) for k in range(m)), Fraction(0)) / (m + 1)


def _arc(n: int) -> Fraction:
    return Fraction(comb(2 * n, n), 4**n * (2 * n + 1))


_COEFFICIENTS: Mapping[str, Callable[[int], Fraction]] = {
    "sin": lambda n: Fraction((-1) ** n, factorial(2 * n + 1)),
    "sinh": lambda n: Fraction(1, factorial(2 * n + 1)),
    "tan": _tangent,
    "tanh": lambda n: (-1) ** n * _tangent(n),
    "asin": _arc,
    "asinh": lambda n: (-1) ** n * _arc(n),
    "atan": lambda n: Fraction((-1) ** n, 2 * n + 1),
    "atanh": lambda n: Fraction(1, 2 * n + 1),
    "erf": lambda n: 2 / sqrt(pi) * (-1) ** n / (factorial(n) * (2 * n + 1)),
}


def horner(variable: str, coefficients: Sequence[float]) -> str:
    """c0 + v (c1 + v (c2 + ...)) as text."""
    text = repr(float(coefficients[-1]))
    for c in reversed(coefficients[:-1]):
        text = f"({float(c)!r} + {variable} * {text})"
    return text


def derivative(coefficients: Sequence[float], times: int) -> tuple[float, ...]:
    """The coefficients of a derivative of a polynomial."""
    out = tuple(float(c) for c in coefficients)
    for _ in range(times):
        out = tuple(i * c for i, c in enumerate(out))[1:]
    return out
