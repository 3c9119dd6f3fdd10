"""Difference quotients in closed form: their values, their derivatives, and the identity that they stand for."""

from __future__ import annotations

import itertools

import mpmath
import numpy as np
import pytest
import sympy as sp

from metrigen import SpecError
from metrigen.ir.evaluate import evaluate
from metrigen.ir.nodes import Load
from metrigen.ir.secants import artanhc, artanhc_values, ratio
from metrigen.passes.quotients import Quotients, at
from metrigen.spec.distance import bearing, hypot
from metrigen.spec.functions import logcosh, sigmoid, softplus
from metrigen.spec.means import SHARES, harmonicmean
from tests.lengths import spread

U, W = Load("u", ()), Load("w", ())
ENDS = {(x, place): sp.Symbol(f"{x.array}__{place}", real=True) for x in (U, W) for place in ("begin", "end", "middle")}
BOTH = (-3.0, -0.4, -1e-3, -1e-9, 0.0, 1e-12, 1e-6, 0.3, 2.0, 30.0)
POSITIVE = (1e-9, 1e-3, 0.3, 0.7, 2.0, 30.0)
INSIDE = (-0.999, -0.5, -1e-6, 0.0, 1e-9, 0.3, 0.9)
FUNCTIONS = {
    **{f"u**{n}": (U**n, BOTH) for n in (1, 2, 3, 4, 5, 6, 9)},
    **{f"u**-{n}": (U**-n, POSITIVE) for n in (1, 2, 3)},
    **{f"u**({p})": (U ** sp.Rational(p), POSITIVE) for p in ("1/2", "3/2", "-1/2", "2/3", "5/4")},
    "power": ((1 + U**2) ** sp.Symbol("c", positive=True), (0.0, 1e-6, 0.3, 2.0)),
    **{f.__name__: (f(U), BOTH) for f in (sp.exp, sp.sin, sp.cos, sp.sinh, sp.cosh, sp.tanh, sp.asinh, sp.Abs)},
    "tan": (sp.tan(U / 40), BOTH), "log": (sp.log(U), POSITIVE),
    "sech": (sp.sech(U), BOTH), "logcosh": (logcosh(U), BOTH), "softplus": (softplus(U), BOTH),
    "sigmoid": (sigmoid(U), BOTH), "asin": (sp.asin(U), INSIDE), "acos": (sp.acos(U), INSIDE),
    "root": (sp.sqrt(1 + U**2), BOTH), "rational": (U**2 / (1 + U**2), BOTH), "gauss": (sp.exp(-(U**2)), BOTH[:-1]),
    "log1p": (sp.log(1 + U**2), BOTH), "Max": (sp.Max(U, sp.Rational(1, 5)), BOTH), "Min": (sp.Min(U, 0, -U), BOTH),
}  # fmt: skip
KINKS = ("Abs", "Max", "Min")
LOSES = {"rational": 2e-12}  # 2 u/s - 2 u u^2/s^2 at u = 30: a quotient loses what the derivative as written loses
C = 1.7


def quotients(e: sp.Expr) -> dict[Load, sp.Expr]:
    """g by load, in symbols of the ends."""
    names = {Load(at(x.array, place), ()): s for (x, place), s in ENDS.items()}
    found = Quotients({"u", "w"}, {"u", "w"}, "hamiltonian").of(e)
    return {load: g.xreplace(names) for load, g in found.items()}


def values(g: sp.Expr, *ends: tuple[Load, float, float]) -> float:
    table = {sp.Symbol("c", positive=True): C}
    for x, a, b in ends:
        table |= {ENDS[x, "begin"]: a, ENDS[x, "end"]: b, ENDS[x, "middle"]: (a + b) / 2}
    return float(evaluate(g, {s: np.asarray(v, float) for s, v in table.items()}))


def exactly(e: sp.Expr, at: dict[sp.Symbol, mpmath.mpf]) -> mpmath.mpf:
    symbols = sorted(at, key=str)
    own = {f.__name__: f.value for f in (logcosh, sigmoid, softplus, hypot, bearing, harmonicmean, *SHARES.values())}
    e = e.xreplace({sp.Symbol("c", positive=True): sp.Float(C, 60)})
    return sp.lambdify(symbols, e, [own, "mpmath"])(*(at[s] for s in symbols))


FAR = (-4e6, -2000.0, -800.0, -200.0, -1.0, 0.0, 0.3, 150.0, 710.0, 900.0, 2600.0, 1e6)
BOUNDED = "sin cos tanh asinh sech logcosh softplus sigmoid root rational gauss log1p".split()


@pytest.mark.parametrize("name", BOUNDED)
def test_values_of_bounded_slopes_far_out(name: str) -> None:
    """Where exponentials leave the range of numbers: to roundings of the ends times the largest slopes, which are 1."""
    e, _ = FUNCTIONS[name]
    g = quotients(e)[U]
    begin, end = ENDS[U, "begin"], ENDS[U, "end"]
    tangents = [sp.diff(g, z).xreplace({ENDS[U, "middle"]: (begin + end) / 2}) for z in (begin, end)]
    with mpmath.workdps(80), np.errstate(all="ignore"):
        for a, b in itertools.product(FAR, repeat=2):
            x, y = mpmath.mpf(a), mpmath.mpf(b)
            exact = (exactly(e, {U: y}) - exactly(e, {U: x})) / (y - x) if a != b else exactly(sp.diff(e, U), {U: x})
            assert abs(values(g, (U, a, b)) - exact) <= 1e-15 * max(1, *map(abs, (a, b))), (a, b)
            assert all(np.isfinite(values(tangent, (U, a, b))) for tangent in tangents), (a, b)


@pytest.mark.parametrize("name", spread(FUNCTIONS, 3))
def test_values_at_every_distance(name: str) -> None:
    """To a few roundings of the derivative's terms, whether the ends are apart, near, a rounding apart or one point."""
    e, points = FUNCTIONS[name]
    g = quotients(e)[U]
    slope = sp.diff(e, U)
    pairs = list(itertools.product(points, repeat=2)) + [(a, a * (1 + d)) for a in points for d in (1e-15, 1e-8, 1e-3)]
    with mpmath.workdps(80):
        for a, b in pairs:
            x, y = mpmath.mpf(a), mpmath.mpf(b)
            if a == b and name in KINKS:
                continue  # at a kink the value is a choice
            exact = (exactly(e, {U: y}) - exactly(e, {U: x})) / (y - x) if a != b else exactly(slope, {U: x})
            # Across a kink a quotient is a mean of the slopes beside it, of size 1, that may cancel.
            size = 1 if name in KINKS else max(abs(exact), *(abs(exactly(slope, {U: z})) for z in (x, y)))
            assert abs(values(g, (U, a, b)) - exact) <= LOSES.get(name, 2e-14) * size, (a, b)
            assert (
                abs(values(g, (U, a, b)) - values(g, (U, b, a))) <= LOSES.get(name, 4e-15) * size
            )  # a step of -dt undoes one of dt


@pytest.mark.parametrize("name", spread((n for n in FUNCTIONS if n not in KINKS), 3))
def test_derivatives(name: str) -> None:
    """The derivative by an end, which the Jacobian of a step is made of, against that of the quotient at 60 digits."""
    e, points = FUNCTIONS[name]
    g = quotients(e)[U]
    begin, end, middle = (ENDS[U, place] for place in ("begin", "end", "middle"))
    along = sp.diff(g, end) + sp.diff(g, middle) / 2
    assert along.has(begin) or g.is_number or name == "u**2"
    with mpmath.workdps(100):
        for a, b in itertools.product(points, repeat=2):
            if a == b or min(abs(a), abs(b)) < 1e-7:
                continue
            x, y = mpmath.mpf(a), mpmath.mpf(b)
            f, there = exactly(e, {U: x}), exactly(e, {U: y})
            exact = (exactly(sp.diff(e, U), {U: y}) - (there - f) / (y - x)) / (y - x)
            size = max(abs(exact), *(abs(exactly(sp.diff(e, U, 2), {U: z})) for z in (x, y)), abs(exact))
            scale = size + max(abs(exactly(sp.diff(e, U), {U: z})) for z in (x, y)) / (abs(x) + abs(y))
            assert abs(values(along, (U, a, b)) - exact) <= 3e-13 * scale, (a, b)


PRODUCTS = {
    "monomial": U**3 * W**2 / 7 - 2 * U * W, "factored": (U + W) ** 2 * (U - 3) * W,
    "harmonic": 2 * (1 + U**2) * (1 + W**2) / (2 + U**2 + W**2) * (W - U) ** 2,
    "harmonic mean": harmonicmean(U**2, 1 + W**2) * (W - U) ** 2,
    "composed": sp.exp(sp.sin(U * W)) * sp.sqrt(1 + U**2 * W**4) / (2 + sp.cos(U - W)),
    "power": (1 + W**2) ** (U + sp.Rational(1, 3)), "kinks": sp.Max(U, W**2, -U * W) * sp.Abs(U - W),
    "distance": hypot(U, 2 * W) ** 3 + hypot(U, sp.Integer(1)),
    "logarithms": U * sp.log(1 + U**2 + W**2) + sp.asinh(U * W) * sp.tanh(W),
}  # fmt: skip


@pytest.mark.parametrize("name", PRODUCTS)
def test_the_identity_of_several_variables(name: str) -> None:
    """h(z1) - h(z0) = g . (z1 - z0), the gradient where the ends meet, and symmetric in the ends."""
    e, random = PRODUCTS[name], np.random.default_rng(0)
    g = quotients(e)
    for distance in (1.0, 1e-3, 1e-9):
        u, w = random.normal(size=2)
        du, dw = distance * random.normal(size=2)
        first, second = values(g[U], (U, u, u + du), (W, w, w + dw)), values(g[W], (U, u, u + du), (W, w, w + dw))
        with mpmath.workdps(60):
            here, there = ({U: mpmath.mpf(u + s * du), W: mpmath.mpf(w + s * dw)} for s in (0, 1))
            gap = exactly(e, there) - exactly(e, here)
            left = first * (there[U] - here[U]) + second * (there[W] - here[W])
            size = abs(first * du) + abs(second * dw)
        assert abs(left - gap) <= 1e-14 * size, distance
        for x, value in ((U, first), (W, second)):
            back = values(g[x], (U, u + du, u), (W, w + dw, w))
            assert back == pytest.approx(value, rel=1e-14)
            if distance == 1e-9:
                slope = float(exactly(sp.diff(e, x), here))
                assert value == pytest.approx(slope, rel=1e-6)


def test_a_harmonic_mean_that_opens() -> None:
    """From two closed ends, where the shares are 1/2 each, and from one: the identity holds there too."""
    g = quotients(harmonicmean(U**2, W**2))
    for u, w, du, dw in ((0.0, 0.0, 0.3, -0.7), (0.0, 0.4, 0.3, 0.1), (0.5, 0.0, -0.5, 0.2), (1e-9, 0.0, 1e-9, 0.0)):
        slopes = [values(g[x], (U, u, u + du), (W, w, w + dw)) for x in (U, W)]
        a, b, c, d = u**2, w**2, (u + du) ** 2, (w + dw) ** 2
        gap = (2 * c * d / (c + d) if c + d else 0) - (2 * a * b / (a + b) if a + b else 0)
        assert slopes[0] * du + slopes[1] * dw == pytest.approx(gap, rel=1e-13)


def test_artanhc() -> None:
    for k in range(4):
        for y in (-40.0, -1.0, -0.26, -0.2, -1e-9, 0.0, 1e-9, 0.2, 0.26, 0.9, 0.999):
            with mpmath.workdps(40):
                exact = mpmath.hyp2f1(1, k + mpmath.mpf(1) / 2, k + mpmath.mpf(3) / 2, y) / (2 * k + 1)
            assert float(artanhc_values(k, y)) == pytest.approx(float(exact), rel=4e-15 * 30**k)
    y = sp.Symbol("y", real=True)
    assert float(evaluate(sp.diff(artanhc(1, y), y), {y: np.asarray(0.0)})) == pytest.approx(1 / 5, rel=1e-15)


def test_a_ratio_never_divides_by_a_square() -> None:
    """So its derivatives are finite in single precision as long as the ratio is."""
    a, b = sp.symbols("a b", real=True)
    small = np.asarray(1e-30, np.float32)
    for e, right in ((ratio(a, b), 1.0), (sp.diff(ratio(a, b), b), -1e30), (sp.diff(ratio(a, b), a), 1e30)):
        assert float(evaluate(e, {a: small, b: small})) == pytest.approx(right, rel=1e-6)
        assert float(evaluate(e, {a: small, b: np.asarray(0.0)})) == 0


@pytest.mark.parametrize("e", [U**2 * sp.sign(U), sp.atan2(U, 1 + W), U ** sp.Symbol("c", positive=True)], ids=str)
def test_what_has_no_quotient_is_refused_by_name(e: sp.Expr) -> None:
    with pytest.raises(SpecError) as caught:
        quotients(e)
    assert str(e) in str(caught.value)
    assert "Abs" in caught.value.fix
