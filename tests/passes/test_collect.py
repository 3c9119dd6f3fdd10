"""Coefficients are summed up once a channel; what a statement stores and sums stays the same."""

from __future__ import annotations

import sympy as sp

from metrigen.ir.nodes import Array, Kind, Load, Map, Program
from metrigen.passes.collect import TERMS, collect_coefficients
from metrigen.passes.partition import FusionGroup, partition

here, left, right, pi = Load("u", (0,)), Load("u", (-1,)), Load("u", (1,)), Load("pi", (0,))
c, m, d, dt = sp.symbols("c m d dt", real=True)
SITES = (Array("u", Kind.SITE), Array("pi", Kind.SITE))
CHANNELS = (*(Array(s.name, Kind.CHANNEL) for s in (c, m, d)), Array("dt", Kind.SCALAR))


def collected(statement: Map, *outputs: str) -> Map:
    """The statement after the pass, which leaves the order of sweeps alone."""
    program = Program("test", (*SITES, *CHANNELS), (statement,), outputs)
    parts = partition(program)
    assert parts is not None
    (part,) = collect_coefficients(parts, program.kinds()).parts
    assert isinstance(part, FusionGroup)
    assert isinstance(part.statements[0], Map)
    return part.statements[0]


def written_out(statement: Map) -> dict[str, sp.Expr]:
    """Stores and sums in terms of what is read."""
    found = {}
    for name, expr in (*statement.stores, *((n, e) for n, _, e in statement.sums)):
        for symbol, value in reversed(statement.lets):
            expr = expr.xreplace({symbol: value})
        found[name] = sp.expand(expr)
    return found


def site_operations(statement: Map) -> int:
    """Of expressions that read at the site, in the statement as it is written."""
    sited: set[sp.Symbol] = set()
    count = 0
    for symbol, expr in statement.lets:
        if expr.atoms(Load) or expr.free_symbols & sited:
            sited.add(symbol)
            count += sp.count_ops(expr)
    return int(count + sum(sp.count_ops(e) for _, e in statement.stores))


def kick() -> Map:
    """A damped kick and the drift behind it, as a step of a wave writes them."""
    half, force, kicked = sp.symbols("half force kicked", real=True)
    named = sp.Symbol("next", real=True)
    return Map(
        lets=(
            (half, dt / 2),
            (force, m * here**3 + c * (2 * here - left - right)),
            (kicked, d * (pi - half * force)),
            (named, kicked - half * force),
        ),
        stores=(("next", named), ("ahead", here + half * named + half * named)),
        sums=(("s", Kind.CHANNEL, force * pi),),
    )


def test_a_kick_takes_fewer_operations() -> None:
    before = Map(lets=kick().lets, stores=kick().stores)
    after = collected(before, "next", "ahead")
    assert written_out(after) == written_out(before)
    assert site_operations(before) == 15
    assert site_operations(after) == 11


def test_a_difference_stays_whole() -> None:
    """Without a mass a constant field feels no force at all, whatever the rounding of the coefficients."""
    force = c * (2 * here - left - right)
    values = (sp.Symbol("force", real=True), sp.Symbol("next", real=True))
    before = Map(
        lets=((values[0], force), (values[1], d * (pi - dt / 2 * values[0]) - dt / 2 * values[0])),
        stores=(("next", values[1]),),
    )
    after = collected(before, "next")
    assert site_operations(after) < site_operations(before)
    assert any(2 * here - left - right in e.atoms(sp.Add) for _, e in after.lets)


def test_a_sum_that_needs_the_same_values_keeps_them() -> None:
    """The sum reads the force: it stays, and would be computed beside the collected form, which saves nothing."""
    assert collected(kick(), "next", "ahead", "s") == kick()


def test_no_polynomial_is_left_alone() -> None:
    for expr in (sp.sin(c * here) + m * here, here / (c + pi), sp.sqrt(1 + here**2)):
        statement = Map(stores=(("next", expr),))
        assert collected(statement, "next") == statement


def test_what_would_grow_is_left_alone() -> None:
    """A power of a sum has more terms than factors; a long expression is not expanded at all."""
    for expr in ((c * here + m * left + d * right + pi) ** 6, sp.Add(*(c * here**k for k in range(TERMS + 2)))):
        statement = Map(stores=(("next", expr),))
        assert collected(statement, "next") == statement
