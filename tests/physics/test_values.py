"""Values of expressions: what stands in the list of operations, against SymPy's own evaluation."""

import mpmath
import pytest
import sympy as sp

from metrigen.physics.values import Operations, values_of

x, y = sp.symbols("x y", real=True)
HALF = mpmath.mpf(1) / 2
KINDS = [
    sp.Piecewise((x**2, x > 1), (sp.log(x), x > 0), (y, True)),
    sp.Piecewise((1 / (x - 1) + sp.Piecewise((y, y < 2), (0, True)), sp.Ne(x, 1)), (y, True)),
    sp.Piecewise((x, (x > 0) & (y > 1)), (y, (x < -1) | (y < 0)), (3, ~(x > 5))),
    sp.Abs(x) ** 3 + sp.Max(x, y, 1) - sp.Min(x, y),
    sp.Heaviside(x - y) * y + sp.DiracDelta(x - 7 * y) * x,
    sp.floor(x * y) + sp.ceiling(x),
    sp.log(1 + sp.exp(x)) + sp.tanh(x * y) + x ** sp.Rational(7, 2) * sp.pi,
]


@pytest.mark.parametrize("expr", KINDS, ids=str)
def test_an_operation_for_every_node(expr: sp.Expr) -> None:
    """No text is printed and compiled, which a long sum would be too deep for; the values are SymPy's."""
    compiled = values_of((x, y), [expr], 30)
    assert isinstance(compiled, Operations)
    for a, b in ((1, 3), (3, HALF), (HALF, 1), (7, 2)):
        exact = expr.subs({x: sp.nsimplify(str(a)), y: sp.nsimplify(str(b))})
        assert abs(compiled(mpmath.mpf(a), mpmath.mpf(b))[0] - sp.N(exact, 30)) < 1e-13


def test_a_case_that_is_not_taken_has_no_value() -> None:
    compiled = values_of((x,), [sp.Piecewise((1 / x, x > 0), (2, True))], 30)
    assert compiled(mpmath.mpf(0)) == [2]


def test_a_jump_has_no_value() -> None:
    for jump in (sp.Heaviside(x), sp.DiracDelta(x)):
        with pytest.raises(ValueError, match="jump"):
            values_of((x,), [jump], 30)(mpmath.mpf(0))
