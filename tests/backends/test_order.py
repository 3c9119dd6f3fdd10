"""The order of the terms of a sum is SymPy's."""

from __future__ import annotations

import random

import pytest
import sympy as sp

from metrigen.backends.order import ordered_terms

X, Y, Z = sp.symbols("x y z", real=True)


class opaque(sp.Function):
    """A function that SymPy cannot evaluate: of numbers it is a number, and none that compares."""


FACTORS = (X, Y, Z, X**2, 1 / Y, sp.sqrt(Z), sp.sin(X), sp.exp(-Y), sp.pi, sp.sqrt(2), opaque(sp.Integer(2)))
NUMBERS = (sp.Integer(1), sp.Integer(-1), sp.Rational(2, 3), sp.Rational(-17, 16), sp.Float("0.1"), sp.Float(-2.5))


@pytest.mark.parametrize("length", [2, 3, 8, 40])
def test_terms_are_ordered_as_sympy_orders_them(length: int) -> None:
    draw = random.Random(length)
    for _ in range(20):
        products = (sp.Mul(*draw.sample(FACTORS, draw.randrange(4))) for _ in range(length))
        expr = sp.Add(*(draw.choice(NUMBERS) * product for product in products))
        assert ordered_terms(expr) == list(expr.as_ordered_terms())


def test_a_number_ahead_of_a_negative_term_stays_ahead() -> None:
    assert ordered_terms(1 - 2 * X) == [1, -2 * X]
