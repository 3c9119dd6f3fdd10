"""What statements read, define and are renamed to follows from the roles of their fields."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import Annotated

import pytest
import sympy as sp

from metrigen.errors import InternalError
from metrigen.ir.edges import Along, EdgeMap
from metrigen.ir.implicit import Equation, Root, RootAdjoint, SiteSum
from metrigen.ir.nodes import (
    STATEMENTS,
    Accumulate,
    Array,
    Cayley,
    CayleyAdjoint,
    ChannelMatmul,
    ChannelSum,
    Inside,
    Kind,
    Load,
    Map,
    Outer,
    Outside,
    ParameterExpression,
    Program,
    Reduction,
    Solve,
    Units,
)
from metrigen.ir.statement import DATA, Statement, defines, reads, roles_of

u, ahead, here = Load("u", (0,)), Load("u", (1,)), Inside((1,))
c, d, value = sp.symbols("c d value", real=True)
NOTHING = Program("r", (Array("z", Kind.SITE),), (), ("z",))
R = Equation("r", 1, NOTHING, NOTHING, NOTHING, NOTHING, False)

EXAMPLES: tuple[tuple[Statement, tuple[str, ...], dict[str, Kind]], ...] = (
    (Map(stores=(("a", value + here * ahead),), sums=(("s", Kind.CHANNEL, d * u),), lets=((value, c * u),)),
     ("c", "d", "u"), {"a": Kind.SITE, "s": Kind.CHANNEL}),
    (Map(stores=(("a", c * u),), over=Kind.EDGE), ("c", "u"), {"a": Kind.EDGE}),
    (ParameterExpression("a", Kind.CHANNEL, c * d), ("c", "d"), {"a": Kind.CHANNEL}),
    (Reduction("a", "c"), ("c",), {"a": Kind.SCALAR}),
    (ChannelMatmul("a", "K", "u", True), ("K", "u"), {"a": Kind.SITE}),
    (ChannelSum("a", "u"), ("u",), {"a": Kind.SITE}),
    (Outer("a", "u", "c"), ("c", "u"), {"a": Kind.MATRIX}),
    (Accumulate("a", Kind.SCALAR, ("c", "d")), ("c", "d"), {"a": Kind.SCALAR}),
    (Cayley("a", "K", "c"), ("K", "c"), {"a": Kind.MATRIX}),
    (CayleyAdjoint("a", "b", "K", "c", "R", "d"), ("K", "R", "c", "d"), {"a": Kind.MATRIX, "b": Kind.SCALAR}),
    (Solve("a", c * Load("a", (0,)) - Load("a", (1,)), "u", False), ("c", "u"), {"a": Kind.SITE}),
    (EdgeMap("a", Along.DIFFERENCE, "u"), ("u",), {"a": Kind.EDGE}),
    (EdgeMap("a", Along.SHARE, "u"), ("u",), {"a": Kind.SITE}),
    (Units("K", 4, ((value, sp.Integer(0)),), (("a", value * u),), (("s", (value * u,)),)), ("K", "u"),
     {"a": Kind.SITE, "s": Kind.UNITS}),
    (SiteSum("a", "u", True), ("u",), {"a": Kind.SITE}),
    (Root(("a", "b"), R, ("u", "c"), ("c", "d")), ("c", "d", "u"), {"a": Kind.SITE, "b": Kind.SITE}),
    (RootAdjoint(("a",), R, ("u",), ("c",), ("d",)), ("c", "d", "u"), {"a": Kind.SITE}),
)  # fmt: skip
NAMES = {n: f"{n}_new" for n in ("a", "b", "c", "d", "s", "u", "K", "R", "value", "inside__p1")}


def test_every_kind_has_an_example() -> None:
    assert {type(statement) for statement, _, _ in EXAMPLES} == set(STATEMENTS)


@pytest.mark.parametrize(("statement", "read", "defined"), EXAMPLES, ids=lambda x: type(x).__name__)
def test_roles(statement: Statement, read: tuple[str, ...], defined: dict[str, Kind]) -> None:
    assert statement.reads == read
    assert dict(statement.defines) == defined
    after = statement.renamed(NAMES)
    assert type(after) is type(statement)
    assert after.reads == tuple(sorted(NAMES[n] for n in read))
    assert dict(after.defines) == {NAMES[n]: kind for n, kind in defined.items()}
    assert after.renamed({new: old for old, new in NAMES.items()}) == statement
    assert statement.renamed({}) == statement
    assert pickle.loads(pickle.dumps(statement)) == statement


@pytest.mark.parametrize("kind", STATEMENTS)
def test_every_field_declares_its_role(kind: type[Statement]) -> None:
    assert roles_of(kind)


def test_values_of_its_own_keep_their_symbols() -> None:
    """An array of the same name as a value of the statement is another thing, also where both are renamed."""
    own = sp.Symbol("a", real=True)
    before = Map(stores=(("a", own), ("b", 2 * own)), lets=((own, u),))
    assert before.renamed({"a": "n", "u": "v"}) == Map(
        stores=(("n", own), ("b", 2 * own)), lets=((own, Load("v", (0,))),)
    )
    assert before.reads == ("u",)


def test_signs_and_offsets_survive_a_new_name() -> None:
    positive = sp.Symbol("c", real=True, positive=True)
    after = Map(stores=(("a", positive * Load("u", (1,), True)),)).renamed({"c": "k", "u": "v"})
    assert {s.name: s.is_positive for s in after.expressions[0].free_symbols} == {"k": True, "v__p1": True}


def test_equal_loads_are_one_object() -> None:
    load, inside = Load("u", (1, 0)), Inside((0, -1))
    assert load is Load("u", (1, 0), positive=False) is pickle.loads(pickle.dumps(load))
    assert inside is Inside((0, -1)) is pickle.loads(pickle.dumps(inside))
    assert (
        len({load, Load("u", (1, 0), positive=True), Load("u", (0, 0)), Load("u", (0,)), inside, Outside((0, -1))}) == 6
    )


def test_expressions_come_in_the_order_of_their_use() -> None:
    statement = EXAMPLES[0][0]
    assert statement.expressions == (c * u, value + here * ahead, d * u)
    twice = statement.with_expressions(lambda e: 2 * e)
    assert twice.expressions == tuple(2 * e for e in statement.expressions)
    assert (twice.reads, twice.defines) == (statement.reads, statement.defines)


def test_whole_arrays_are_read_under_other_names() -> None:
    new = {"u": "v", "a": "n", "c": "k"}
    solve = Solve("a", c * Load("a", (0,)), "u", False)
    assert solve.with_reads(lambda n: new.get(n, n)) == Solve("a", c * Load("a", (0,)), "v", False)
    assert ChannelMatmul("a", "K", "u").with_reads(lambda n: new.get(n, n)) == ChannelMatmul("a", "K", "v")


def test_a_field_without_a_role_is_an_error() -> None:
    @dataclass(frozen=True)
    class Sloppy(Statement):
        out: Annotated[str, defines(Kind.SITE)]
        src: str

    with pytest.raises(InternalError, match=r"(?s)field 'src' of the statement Sloppy .* please report"):
        _ = Sloppy("a", "u").reads


def test_what_one_more_statement_takes() -> None:
    """The declaration alone gives what it reads and defines."""

    @dataclass(frozen=True)
    class Scaled(Statement):
        out: Annotated[str, defines("kind")]
        rows: Annotated[tuple[tuple[str, sp.Expr], ...], reads()]
        kind: Annotated[Kind, DATA]

    made = Scaled("a", (("c", d * u),), Kind.EDGE)
    assert (made.reads, made.defines) == (("c", "d", "u"), (("a", Kind.EDGE),))
    assert made.renamed(NAMES) == Scaled(
        "a_new", (("c_new", sp.Symbol("d_new", real=True) * Load("u_new", (0,))),), Kind.EDGE
    )
