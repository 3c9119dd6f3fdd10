"""Sums leave the sweeps that hold all channels of a site, and what they add up to stays."""

from __future__ import annotations

import sympy as sp

from metrigen.ir.nodes import Accumulate, Array, ChannelMatmul, Kind, Load, Map, Program
from metrigen.passes.partition import FusionGroup, Partition, partition
from metrigen.passes.sink import sink_sums

HERE, NEXT = (0,), (1,)
u, v, w = (Load(name, HERE) for name in "uvw")


def terms(parts: Partition) -> dict[str, sp.Expr]:
    """What is summed into every parameter, in terms of what is stored."""
    owner = {term: total.out for total in parts.totals for term in total.terms}
    found: dict[str, sp.Expr] = {}
    for part in parts.parts:
        for statement in part.statements if isinstance(part, FusionGroup) else ():
            for name, _, expr in statement.sums if isinstance(statement, Map) else ():
                for symbol, value in reversed(statement.lets):
                    expr = expr.xreplace({symbol: value})
                found[owner[name]] = found.get(owner[name], sp.S.Zero) + expr
    return {name: sp.expand(expr) for name, expr in found.items()}


def parts_of(*body: Map | ChannelMatmul | Accumulate) -> Partition:
    inputs = (Array("u", Kind.SITE), Array("w", Kind.SITE), Array("K", Kind.MATRIX))
    found = partition(Program("test", inputs, body, ("end", "a__bar", "b__bar")))
    assert found is not None
    return found


def test_a_sum_goes_to_a_sweep_that_reads_the_same() -> None:
    """v is stored and read at a neighbour later: u v can be summed there, w v stays for lack of w, with all its own."""
    value = sp.Symbol("v", real=True)
    before = parts_of(
        Map(lets=((value, u**2),), stores=(("v", value),),
            sums=(("s", Kind.CHANNEL, u * value), ("r", Kind.CHANNEL, w * value))),
        ChannelMatmul("mixed", "K", "v"),
        Map(stores=(("x", Load("mixed", HERE)),), sums=(("q", Kind.CHANNEL, Load("mixed", HERE) * w * v),)),
        Map(stores=(("end", Load("v", NEXT) + u + Load("x", NEXT)),)),
        Accumulate("a__bar", Kind.CHANNEL, ("s",)),
        Accumulate("b__bar", Kind.CHANNEL, ("r", "q")),
    )  # fmt: skip
    after = sink_sums(before)
    first, second = after.parts
    assert isinstance(first, FusionGroup)
    assert isinstance(second, FusionGroup)
    where = [[name for name, _, _ in s.sums] for s in (*first.statements, *second.statements) if isinstance(s, Map)]
    assert where == [[], ["q"], ["s"]]
    assert {k: e.xreplace({v: u**2}) for k, e in terms(after).items()} == expected(before)


def expected(parts: Partition) -> dict[str, sp.Expr]:
    return {name: sp.expand(expr.xreplace({v: u**2})) for name, expr in terms(parts).items()}


def test_what_cannot_leave_stays() -> None:
    """Nothing reads w behind the channel map: its sum stays where it is."""
    before = parts_of(
        Map(stores=(("v", u),), sums=(("s", Kind.CHANNEL, u * w),)),
        ChannelMatmul("mixed", "K", "v"),
        Map(stores=(("end", Load("mixed", HERE)),)),
        Accumulate("a__bar", Kind.CHANNEL, ("s",)),
        Accumulate("b__bar", Kind.CHANNEL, ()),
    )
    assert sink_sums(before) == before


def test_a_statement_of_nothing_but_sums_goes_away() -> None:
    before = parts_of(
        Map(stores=(("v", u),)),
        ChannelMatmul("mixed", "K", "v"),
        Map(sums=(("s", Kind.CHANNEL, u * w),)),
        Map(stores=(("end", Load("v", NEXT) * u * w),)),
        Accumulate("a__bar", Kind.CHANNEL, ("s",)),
        Accumulate("b__bar", Kind.CHANNEL, ()),
    )
    first, second = sink_sums(before).parts
    assert isinstance(first, FusionGroup)
    assert isinstance(second, FusionGroup)
    assert [type(s) for s in first.statements] == [Map, ChannelMatmul]
    assert second.statements[0].sums == (("s", Kind.CHANNEL, u * w),)  # type: ignore[union-attr]
