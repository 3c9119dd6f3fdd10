"""Contents, masks and common factors of sums: what is written, how much is saved, and that no digit and no range is
lost."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import sympy as sp

from metrigen.backends.torch.dialect import TORCH
from metrigen.ir.evaluate import evaluate
from metrigen.ir.nodes import Array, Inside, Kind, Map, Program
from metrigen.ir.queries import maps_in
from metrigen.package.cost import program_cost
from metrigen.passes.contents import primitive, take_contents
from metrigen.passes.cse import cse
from metrigen.passes.factor import factor_sums
from metrigen.passes.fuse import fuse
from metrigen.passes.masks import name_masked
from metrigen.passes.name import name_stores
from metrigen.passes.pipeline import READ, apply
from tests.passes.programs import AHEAD, BACK, PARAMS, c, d, h, load, results, tensor, values_of

u, v, w, x, y = (load(name) for name in "uvwxy")
SITES = tuple(Array(name, Kind.SITE) for name in "uvwxy")
m, n = Inside(AHEAD), Inside(BACK)
v0, v1 = sp.symbols("v__0 v__1", real=True)


def program(*exprs: sp.Expr) -> Program:
    stores = tuple((f"out{k}", e) for k, e in enumerate(exprs))
    return Program("hand", (*SITES, *PARAMS), (Map(stores=stores),), tuple(name for name, _ in stores), False)


def written(after: Program) -> tuple[sp.Expr, ...]:
    """The expressions of the one kernel, its named values first."""
    (statement,) = maps_in(after, "test")
    return statement.expressions


def operations(made: Program) -> int:
    return program_cost(made.name, made, 4).ops.total


CONTENTS = {
    "a sign": (w * (v - u), -w * (u - v)),
    "a square": ((v - u) ** 2 * w, (u - v) ** 2 * w),
    "a number": (w * (-u / 2 - v / 2), -w * (u + v) / 2),
    "an indicator": (m**2 * u**2, m * u**2),
    "numbers that differ": (w * (u / 2 + v / 3), w * (u / 2 + v / 3)),
    "a sum alone": (-u / 2 - v / 2, -u / 2 - v / 2),
    "a quotient": (w / (2 * u + 2 * v), w / (u + v) / 2),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_contents(name: str) -> None:
    raw, right = CONTENTS[name]
    assert written(take_contents(program(raw))) == (right,)


def test_of_a_sum_and_its_negative_one_is_written() -> None:
    for e in (u - v, c * u - d * v + w, -u - v, u * v - sp.sin(w)):
        (number, one), (other, same) = primitive(e), primitive(-e)
        assert one == same
        assert (number, other) in ((1, -1), (-1, 1))


def test_a_masked_value_is_named_once() -> None:
    raw = (c * m * (u - v) ** 2, w * m * (u - v), n * w)
    assert written(name_masked(program(*raw))) == (m * (u - v), c * v0**2, v0 * w, n * w)


def test_a_mask_in_one_product_stays() -> None:
    raw = program(c * m * u**2, n * u, c * m)
    assert name_masked(raw) == raw


def test_a_mask_goes_with_what_it_meets_most_often() -> None:
    first, *rest = written(name_masked(program(m * u * v, m * u * w, m * u * x, m * v)))
    assert (first, *rest) == (m * u, v * v0, v0 * w, v0 * x, m * v)


FACTORED = {
    "one factor": (c * u * v + c * u * w, c * u * (v + w)),
    "nested": (c * u * v + c * u * w + d * u, u * (c * (v + w) + d)),
    "a power": (u**3 * v + u**2 * w, u**2 * (u * v + w)),
    "two sums": (u * v + u * w + x * v + x * w, (u + x) * (v + w)),
    "signs": (u * v - u * w - x * v + x * w, (u - x) * (v - w)),
    "nothing": (u * v + w * x + 2, u * v + w * x + 2),
    "in a function": (sp.sin(u * v + u * w) ** 2, sp.sin(u * (v + w)) ** 2),
    "one denominator": (u / w + v / w, (u + v) / w),
    "two denominators": (u**2 / w**2 + u * v / x, u**2 / w**2 + u * v / x),
    "roots below": (u / sp.sqrt(x**2 + 1) - v / sp.sqrt(x**2 + 1), (u - v) / sp.sqrt(x**2 + 1)),
    "floats": (1.0 * u * v + 1.0 * u * w, u * (v + w)),
    "the same term in the end": (u * (v + w) + 2 * u * v + 2 * u * w, 3 * u * (v + w)),
    "what cancels": (u * (v + w) - u * v - u * w + x, x),
    "two that cancel": ((v + 1) * u - v * u - u + (w + 1) * x - w * x - x, 0),
}


@pytest.mark.parametrize("name", FACTORED)
def test_sums_of_products(name: str) -> None:
    raw, right = FACTORED[name]
    assert written(factor_sums(program(raw))) == (right,)


def test_a_number_in_front_of_a_sum() -> None:
    """SymPy would multiply it out; the sum has a name, and one name for all numbers in front of it."""
    raw = program(u * v / 4 + w / 4, u * v / 2 + w / 2 + 3 * x)
    assert written(factor_sums(raw)) == (u * v + w, v0 / 4, v0 / 2 + 3 * x)
    after = apply((factor_sums, cse, name_stores), raw)
    assert [TORCH.print(e) for e in written(after)] == ["u * v + w", "0.25 * v__0", "3.0 * x + 0.5 * v__0"]


def test_coefficients_go_before_values_and_values_before_numbers() -> None:
    assert written(factor_sums(program(c * u + d * u + c * v + d * v))) == ((c + d) * (u + v),)
    assert written(factor_sums(program(c * u + c * v + d * u))) == (c * (u + v) + d * u,)
    assert written(factor_sums(program(u * v / 3 + u * w / 3))) == (u * (v + w) / 3,)


def test_differences_still_vanish_where_a_field_is_constant() -> None:
    (e,) = written(factor_sums(program(c * u - c * v + d * u - d * w)))
    random = np.random.default_rng(0)
    for c0, d0, u0 in random.normal(size=(50, 3)):
        assert evaluate(e, {c: c0, d: d0, u: u0, v: u0, w: u0}) == 0


def test_a_readout_shares_what_its_components_have_in_common() -> None:
    """Of energy, flux and stress: every mask, slope and square once, and what they are made of."""
    before = apply((cse, name_stores), fuse(tensor()))
    after = apply(READ, fuse(tensor()))
    assert operations(before) == 41
    assert operations(after) == 33
    products = [e for e in written(after) if e.has(Inside)]
    assert len(products) == 2
    values = values_of(tensor())
    for found, expected in zip(results(after, values), results(tensor(), values), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-14, atol=1e-14 * np.abs(expected).max())
    assert apply(READ, after) == after


@pytest.mark.parametrize("amplitude", [1e-90, 1e-60, 1e-8, 1.0, 1e8, 1e60, 1e90])
def test_no_range_is_lost(amplitude: float) -> None:
    """Each value to a few roundings of its terms, where it is a double, at every amplitude of the fields."""
    raw = program(
        c * u * v / 2 + c * u * w / 2 - d * x * v + d * x * w, u**2 / w**2 + u**2 * v / w**3 - x / w,
        (u * v + u * w) / sp.sqrt(u**2 + w**2), m * (u - v) * w + m * (u - v) * x,
    )  # fmt: skip
    after = apply(READ, raw)
    assert operations(after) < operations(apply((cse,), raw))
    random = np.random.default_rng(1)
    for _ in range(20):
        values = {s: float(z) * amplitude for s, z in zip((u, v, w, x), random.normal(size=4), strict=True)}
        values |= {c: 0.7, d: -1.3, m: 1.0}
        table: dict[sp.Symbol, float] = dict(values)
        (statement,) = maps_in(after, "test")
        with np.errstate(over="raise", invalid="raise"):
            for symbol, e in statement.lets:
                table[symbol] = evaluate(e, {s: np.float64(z) for s, z in table.items()})
            found = [evaluate(e, {s: np.float64(z) for s, z in table.items()}) for _, e in statement.stores]
        with mpmath.workdps(40):
            exact = {s: mpmath.mpf(z) for s, z in values.items()}
            for (_, e), value in zip(maps_in(raw, "test")[0].stores, found, strict=True):
                terms = [sp.lambdify(list(exact), t, "mpmath")(*exact.values()) for t in sp.Add.make_args(sp.expand(e))]
                size = sum(abs(t) for t in terms)
                assert abs(value - sum(terms)) <= 2e-15 * size + 1e-322


def test_a_sum_of_many_terms_is_factored_as_fast_as_it_is_long() -> None:
    """Four hundred terms without anything in common, and as many with one factor."""
    apart = sp.Add(*(sp.cos(k * u + sp.Rational(1, k)) for k in range(1, 400)))
    assert written(factor_sums(program(apart)))[-1] == apart
    (whole,) = written(factor_sums(program(sp.Add(*(w * t for t in apart.args)))))
    assert whole == w * apart


def test_values_of_a_statement_keep_their_names_apart() -> None:
    """New names are none of those that the statement has, or reads."""
    taken = Map(
        stores=(("out", v0 * m + v0 * (u * v / 4 + w / 4) + m * (u - v) * x + m * (u - v) ** 2),), lets=((v0, h * u),)
    )
    raw = Program("taken", (*SITES, *PARAMS), (taken,), ("out",), False)
    values = values_of(raw)
    after = apply((take_contents, name_masked, factor_sums), raw)
    (statement,) = maps_in(after, "test")
    assert len({s for s, _ in statement.lets}) == len(statement.lets) > 1
    np.testing.assert_allclose(results(after, values)[0], results(raw, values)[0], rtol=1e-14)
    assert results(apply((cse,), after), values)[0] == pytest.approx(results(raw, values)[0], rel=1e-13)
