"""Every pass by itself, on programs written by hand: the values stay, a second time changes nothing, and what the pass
is there for has happened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import sympy as sp

from metrigen.errors import InternalError
from metrigen.ir.edges import EdgeMap
from metrigen.ir.evaluate import evaluate
from metrigen.ir.interpreter import run
from metrigen.ir.nodes import STATEMENTS, Accumulate, Array, ChannelMatmul, Inside, Kind, Map, Outer, Program, Solve
from metrigen.ir.queries import maps_in, solves_in
from metrigen.ir.verify import verify
from metrigen.passes import pipeline
from metrigen.passes.channels import merge_channel_maps
from metrigen.passes.cse import count_ops, cse
from metrigen.passes.fuse import fuse
from metrigen.passes.gather import gather_sums
from metrigen.passes.hoist import hoist
from metrigen.passes.lets import let_form
from metrigen.passes.name import name_quantities, name_stores
from metrigen.passes.partition import FusionGroup, partition
from metrigen.passes.prune import prune, prune_lets, read_only
from metrigen.passes.quotients import at
from metrigen.passes.rotate import own_outputs, rotate
from metrigen.passes.secant import secant
from metrigen.passes.solves import share_solves
from metrigen.passes.tidy import indicators, tidy
from metrigen.passes.vary import bar, vary
from tests.lattice.arrays import defect_between
from tests.passes.programs import (
    FORWARD,
    INCIDENCE,
    PROGRAMS,
    REVERSIBLE,
    c,
    channels,
    d,
    h,
    load,
    parameters,
    pointwise,
    results,
    solves,
    store,
    value,
    values_of,
)

PASSES = {run_pass.__name__: run_pass for run_pass in pipeline.PASSES}
u, w = load("u"), load("w")


def only(*body: Map | ChannelMatmul | Outer | Accumulate | Solve, outputs: tuple[str, ...]) -> Program:
    return replace(pointwise(), body=body, outputs=outputs)


def kinds(program: Program) -> list[str]:
    return [type(statement).__name__ for statement in program]


def test_the_programs_hold_every_kind_of_statement() -> None:
    assert {type(s) for p in PROGRAMS.values() for s in p} == set(STATEMENTS)
    for program in PROGRAMS.values():
        verify(program)


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
@pytest.mark.parametrize("name", PASSES)
def test_values_stay(name: str, program: Program) -> None:
    after = PASSES[name](program)
    verify(after, name)
    assert len(after.outputs) == len(program.outputs)
    for seed in (0, 1):
        values = values_of(program, seed)
        for found, expected in zip(results(after, values), results(program, values), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
@pytest.mark.parametrize("name", PASSES)
def test_a_second_time_changes_nothing(name: str, program: Program) -> None:
    once = PASSES[name](program)
    if (name, program.name) == (
        "merge_channel_maps",
        "channels",
    ):  # what is scaled for one map to read, it scales first
        once = PASSES[name](once)
    assert PASSES[name](once) == once


def test_a_pass_that_changes_a_value_is_found_out() -> None:
    def wrong(program: Program) -> Program:
        return replace(program, body=tuple(s.with_expressions(lambda e: e * (1 + sp.Float(1e-9))) for s in program))

    program = pointwise()
    pairs = zip(results(wrong(program), values_of(program)), results(program, values_of(program)), strict=True)
    assert any(not np.allclose(found, expected, rtol=1e-12, atol=1e-12) for found, expected in pairs)


# ------------------------------------------------------------------------------------------- what each one is there for


def test_fuse_makes_one_kernel_of_what_meets_at_a_site() -> None:
    after = fuse(pointwise())
    assert kinds(after) == ["Map", "Map", "Accumulate", "Accumulate"]  # the last reads a neighbour of what is stored
    assert [name for name, _ in after.body[0].defines] == ["kick__2", "drift__3", "s__1", "s__2", "r"]
    apart = only(store("a", u), store("b", load("a", (1,))), outputs=("b",))
    assert kinds(fuse(apart)) == ["Map", "Map"]


def test_fuse_keeps_values_of_one_name_apart() -> None:
    body = (
        Map(stores=(("a", value * u),), lets=((value, sp.sin(u)),)),
        Map(stores=(("b", value * load("a")),), lets=((value, sp.cos(u)),)),
    )
    program = only(*body, outputs=("a", "b"))
    (one,) = fuse(program).body
    assert len(one.own) == 3
    for found, expected in zip(*(results(p, values_of(program)) for p in (fuse(program), program)), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_cse_names_what_is_repeated() -> None:
    twice = sp.sin(c * u) + h
    program = only(store("a", sp.exp(twice) + 1 / twice), outputs=("a",))
    ((name, expr),) = maps_in(cse(program), "test")[0].lets
    assert expr == twice
    assert count_ops(cse(program)) < count_ops(program)
    assert maps_in(cse(program), "test")[0].stores == (("a", sp.exp(name) + 1 / name),)


def test_gather_sums_once_what_one_kernel_adds_to_one_parameter() -> None:
    first = Map(sums=(("s", Kind.CHANNEL, u), ("r", Kind.CHANNEL, u * w), ("q", Kind.CHANNEL, w)))
    program = only(first, Accumulate("c__bar", Kind.CHANNEL, ("s", "r")), outputs=("c__bar", "q"))
    gathered, total = gather_sums(program).body
    assert isinstance(gathered, Map)
    assert gathered.sums == (("s", Kind.CHANNEL, u + u * w), ("q", Kind.CHANNEL, w))
    assert total == Accumulate("c__bar", Kind.CHANNEL, ("s",))


def test_prune_drops_what_no_output_needs() -> None:
    after = prune(pointwise())
    assert "lost__4" not in after.kinds()
    assert prune(replace(pointwise(), outputs=("u",))).body == ()
    one, two = sp.symbols("one two", real=True)
    kept = prune_lets(Map(stores=(("a", two),), lets=((one, u), (value, w), (two, one**2))))
    assert kept.lets == ((one, u), (two, one**2))


def test_read_only_keeps_what_is_read_and_a_first_field() -> None:
    program = only(store("a", w * c), outputs=("a",))
    assert [a.name for a in read_only(program).inputs] == ["u", "w", "c"]


def test_names_of_quantities() -> None:
    after = name_quantities(pointwise())
    assert [name for s in after for name, _ in s.defines] == [
        "f", "kick__2", "s", "drift", "s_1", "r", "lost", "next", "c__bar", "d__bar"
    ]  # fmt: skip
    taken = only(store("u__1", w), store("a", load("u__1")), outputs=("a",))
    assert [name for s in name_quantities(taken) for name, _ in s.defines] == ["u_1", "a"]


def test_a_stored_value_bears_its_name() -> None:
    number = sp.Symbol("number", real=True)
    statement = Map(stores=(("a", value), ("b", number * value)), lets=((value, u * w), (number, sp.Integer(3))))
    (after,) = name_stores(only(statement, outputs=("a", "b"))).body
    a = sp.Symbol("a", real=True)
    assert after == Map(stores=(("a", a), ("b", 3 * a)), lets=((a, u * w),))


def test_a_value_that_meets_a_zero_is_dropped() -> None:
    zero = sp.Symbol("zero", real=True)
    statement = Map(stores=(("a", value * zero + u),), lets=((value, u * w), (zero, sp.Integer(0))))
    (after,) = name_stores(only(statement, outputs=("a",))).body
    assert after == Map(stores=(("a", u),))


def test_an_equation_is_solved_once() -> None:
    after = share_solves(solves())
    assert [s.out for s in solves_in(after)] == ["psi__1"]
    assert store("psi__3", 3 * load("psi__1")) in after.body


def test_a_channel_map_is_applied_once() -> None:
    """K^T = K, K (2 u) = 2 K u, A^T = -A; M has no symmetry."""
    after = merge_channel_maps(channels())
    assert [s for s in after if isinstance(s, ChannelMatmul)] == [
        ChannelMatmul("K_u__1", "K", "u"), ChannelMatmul("A_u__1", "A", "u"),
        ChannelMatmul("A_A_u__1", "A", "A_u__1__scaled"), ChannelMatmul("M_u__1", "M", "u", True),
    ]  # fmt: skip


def test_whoever_reads_a_whole_array_reads_the_scaled_one() -> None:
    """A difference on a graph, too: (A^T u)_head - (A^T u)_tail, with A^T = -A."""
    after = merge_channel_maps(FORWARD["graph"])
    assert next(s.reads for s in after if isinstance(s, EdgeMap)) == ("A_u__1__scaled",)


def test_hoist_splits_off_what_depends_on_parameters() -> None:
    program = FORWARD["turned"]
    prologue, body = hoist(program, ["u"])
    assert kinds(prologue) == ["ParameterExpression", "ParameterExpression", "Cayley"]
    assert kinds(body) == ["ChannelMatmul", "Map"]
    assert set(prologue.outputs) == {"decay__1", "turn__1"}
    for part in (prologue, body):
        verify(part)
    values = values_of(program)
    made = run(prologue, values)
    np.testing.assert_array_equal(run(body, values | made)["next"], run(program, values)["next"])
    assert hoist(body, ["u"]) == (replace(prologue, inputs=(), body=(), outputs=()), body)


def test_let_form_names_what_is_used_twice() -> None:
    inner = 1 / (c + d)
    exprs = [inner**2 + sp.sin(inner), sp.cos(inner) * h]
    names = iter(sp.symbols("w1:9", real=True))
    lets, short = let_form(exprs, lambda: next(names))
    table: dict[sp.Symbol, float] = {c: 0.7, d: 0.4, h: 1.3}
    expected = [evaluate(e, table) for e in exprs]
    for symbol, e in lets:
        assert symbol not in e.free_symbols
        table[symbol] = evaluate(e, table)
    assert [evaluate(e, table) for e in short] == pytest.approx(expected, rel=1e-15)
    assert all(inner not in sp.preorder_traversal(e) for e in short)
    assert let_form(short, lambda: next(names)) == ((), short)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_a_turned_loop_takes_the_same_steps(steps: int) -> None:
    """A drift, a kick by what it makes at neighbours, and a drift."""
    drift, force = u + h * w / 2, load("half", (1,)) - 2 * load("half") + load("half", (-1,))
    last = load("half") + h * load("w__next") / 2
    body = (store("half", drift), store("w__next", w + h * c * force), store("u__next", last))
    program = only(*body, outputs=("u__next", "w__next"))
    values = values_of(program)
    state = dict(values)
    for _ in range(steps):
        state["u"], state["w"] = results(program, state)
    loop = rotate(program, ["u", "w"])
    assert [a.name for a in loop.carried] == ["w", "half"]
    for part in (loop.head, loop.inner, loop.tail):
        verify(part)
    carried = dict(zip((a.name for a in loop.carried), results(loop.head, values), strict=True))
    for _ in range(steps - 1):
        carried = dict(zip(carried, results(loop.inner, values | carried), strict=True))
    for found, expected in zip(results(loop.tail, values | carried), (state["u"], state["w"]), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-13)


def test_every_output_is_an_array_of_its_own() -> None:
    program = only(store("a", u), store("b", load("a", (1,))), outputs=("a", "b", "b", "u"))
    after = own_outputs(program)
    assert len(set(after.outputs)) == 4
    assert after.outputs[1] == "b"
    assert not {"a", "u"} & set(after.outputs)


def test_sweeps_hold_the_statements_in_order() -> None:
    body = (
        store("a", u), ChannelMatmul("k", "K", "a"), store("b", load("k") * u), store("e", load("b", (1,))),
        Outer("K__bar", "a", "b"), Accumulate("c__bar", Kind.CHANNEL, ()),
    )  # fmt: skip
    program = replace(channels(), inputs=(*channels().inputs, Array("c", Kind.CHANNEL)), body=body,
                      outputs=("e", "K__bar", "c__bar"))  # fmt: skip
    found = partition(program)
    assert found is not None
    first, second, alone = found.parts
    assert isinstance(first, FusionGroup)
    assert isinstance(second, FusionGroup)
    assert (first.statements, second.statements, alone) == (body[:3], body[3:4], body[4])
    assert (first.staged, second.staged) == (True, False)
    assert first.stored == ("a", "b")
    assert found.totals == (body[5],)
    assert partition(parameters()) is None


def test_tidy_writes_one_term_a_coefficient() -> None:
    raw = c * (u - load("u", (1,))) + c * (u - load("u", (-1,))) + d * Inside((1,)) ** 2 * u
    after = tidy(raw)
    assert after == c * (2 * u - load("u", (1,)) - load("u", (-1,))) + d * Inside((1,)) * u
    assert tidy(after) == after
    assert indicators(Inside((1,)) ** 3) == Inside((1,))


@pytest.mark.parametrize("program", REVERSIBLE.values(), ids=REVERSIBLE)
def test_vary_is_the_transpose_of_the_derivative(program: Program) -> None:
    adjoint = PROGRAMS[f"{program.name}_adjoint"]
    values, along = values_of(program), values_of(program, 1)
    assert defect_between(program, adjoint, values, along, incidence=INCIDENCE) < 1e-11


def test_vary_refuses_what_it_cannot_reverse() -> None:
    """A sum over the sites that is put out; of one that is not, nothing is asked."""
    statement = Map((("a", u**2),), (("s", Kind.CHANNEL, u * w),))
    assert "a" not in vary(only(statement, outputs=("a",)), ["u"], rank=1).kinds()
    with pytest.raises(
        InternalError, match="vary, which reverses no sum over the sites, has no rule for the statement Map"
    ):
        vary(only(statement, outputs=("a", "s")), ["u"], rank=1)


def test_secant_is_the_gradient_between_two_states() -> None:
    """H(z1) - H(z0) = g . (z1 - z0), with channel maps and a linear equation inside."""
    solved = 3 * load("psi") - load("psi", (1,)) - load("psi", (-1,))
    body = (
        ChannelMatmul("k", "K", "u"), store("r", load("u") ** 2 + w), Solve("psi", solved, "r", False),
        store("density", u**4 / 4 + load("u", (1,)) * w * c + load("k") * u / 2 + load("r") * load("psi") + sp.cos(w)),
    )  # fmt: skip
    inputs = (*pointwise().inputs, *channels().inputs[2:])
    program = Program("H", inputs, body, ("density",))
    g = secant(program, ["u", "w"], 1, "hamiltonian")
    verify(g)
    ends = [values_of(program, seed) for seed in (0, 1)]
    for name in ("c", "K"):
        ends[1][name] = ends[0][name]
    between = dict(ends[0])
    for name in ("u", "w"):
        first, second = (end.pop(name) for end in (dict(ends[0]), dict(ends[1])))
        between |= {at(name, "begin"): first, at(name, "end"): second, at(name, "middle"): (first + second) / 2}
    slopes = run(g, between)
    gap = run(program, ends[1])["density"].sum() - run(program, ends[0])["density"].sum()
    parts = [(slopes[bar(n)] * (ends[1][n] - ends[0][n])).sum() for n in ("u", "w")]
    assert abs(gap - sum(parts)) < 1e-12 * sum(map(abs, parts))


def test_a_gradient_is_seeded_on_every_site() -> None:
    program = Program("H", pointwise().inputs, (store("density", u * load("u", (1,)) * c),), ("density",))
    gradient = vary(program, ["u"], seed=sp.S.One, rank=1)
    assert gradient.body[-1].expressions == (c * (load("u", (1,)) + load("u", (-1,))),)


def test_every_pass_of_the_pipeline_is_here() -> None:
    """And the tuples that programs go through are made of them."""
    named = [getattr(pipeline, n) for n in dir(pipeline) if n.isupper() and n not in ("SWEPT", "PASSES")]
    used: set[Callable[[Program], Program]] = {run_pass for passes in named for run_pass in passes}
    assert used == set(pipeline.PASSES)
