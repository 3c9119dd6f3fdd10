"""What must be true of every program, whatever made it: checked before it is printed, and in tests after every pass.

every statement is of a known kind, and reads what is an input or was defined before it
every name is defined once, as an array of a known kind; what is put out is defined
a name is read as a kind that the statement can read: a channel map reads a matrix and a site array
loads and indicators have the rank of the program; a load is of where the statement runs, sites or edges
a value has one symbol: no place of an array is read as one that is positive and as one that is not
any other symbol of an expression is a parameter, or a value that the statement itself has named before
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from operator import attrgetter

import sympy as sp

from metrigen.errors import InternalError
from metrigen.ir.kinds import Kind
from metrigen.ir.loads import Inside, Load
from metrigen.ir.nodes import Map, Program, Statement
from metrigen.ir.queries import known
from metrigen.ir.statement import Use

_PARAMETERS = (Kind.CHANNEL, Kind.SCALAR)
_NAME = attrgetter("name")


def verify(program: Program, after: str = "") -> None:
    """Raise InternalError at the first thing that is not true of ``program``; ``after`` is the pass that made it."""
    for what in _faults(program, f"the verifier{_behind(after)}"):
        raise InternalError(f"the program {program.name}{_behind(after)} {what}", passed=after)


def _behind(after: str) -> str:
    return f" behind the pass {after}" if after else ""


def _faults(program: Program, where: str) -> Iterator[str]:
    known(program, where)
    kinds: dict[str, Kind] = {}
    ranks: set[int] = set()
    signs: dict[str, bool] = {}
    for array in program.inputs:
        yield from _defined(array.name, array.kind, kinds, "its inputs")
    for statement in program.body:
        yield from _missing(statement, kinds)
        yield from _misread(statement, kinds)
        yield from _expressions(statement, kinds, ranks)
        yield from _two_symbols(statement, signs)
        for name, kind in statement.defines:
            yield from _defined(name, kind, kinds, f"its {type(statement).__name__}")
    for name in program.outputs:
        if name not in kinds:
            yield f"puts out {name!r}, which nothing defines"


def _defined(name: str, kind: object, kinds: dict[str, Kind], by: str) -> Iterator[str]:
    if name in kinds:
        yield f"defines {name!r} twice, last by {by}"
    if not isinstance(kind, Kind):
        yield f"defines {name!r} by {by} as {kind!r}, which is no kind of array"
    else:
        kinds[name] = kind


def _missing(statement: Statement, kinds: Mapping[str, Kind]) -> Iterator[str]:
    for name in statement.reads:
        if name not in kinds:
            yield f"reads {name!r} in its {type(statement).__name__}, which nothing defines before"


def _misread(statement: Statement, kinds: Mapping[str, Kind]) -> Iterator[str]:
    """Whole arrays that are read as another kind than they have."""
    for field, role in statement.roles.items():
        value = getattr(statement, field)
        for name in (value,) if isinstance(value, str) else value if isinstance(value, tuple) else ():
            if role.use is Use.READ and role.kinds and isinstance(name, str) and kinds[name] not in role.kinds:
                wanted = " or ".join(kind.name for kind in role.kinds)
                found = f"{name!r} as the {field} of its {type(statement).__name__}"
                yield f"reads {found}, a {kinds[name].name} and no {wanted}"


def _expressions(statement: Statement, kinds: Mapping[str, Kind], ranks: set[int]) -> Iterator[str]:
    what = type(statement).__name__
    over = statement.over if isinstance(statement, Map) else Kind.SITE
    solved = {name for name, _ in statement.defines} if not isinstance(statement, Map) else set()
    yield from _own(statement)
    for atom in sorted(statement.symbols - statement.own, key=_NAME):
        if isinstance(atom, (Load, Inside)):
            ranks.add(len(atom.offset))
            if len(ranks) > 1:
                yield f"reads {atom.name!r} in its {what} at {atom.offset}, and other places have another rank"
        if isinstance(atom, Load):
            if atom.array not in solved and kinds[atom.array] is not over:
                yield f"reads {atom.name!r} in its {what} over {over.name}, a {kinds[atom.array].name}"
        elif not isinstance(atom, Inside) and kinds[atom.name] not in _PARAMETERS:
            yield f"reads {atom.name!r} in its {what} as a parameter, a {kinds[atom.name].name}"


def _two_symbols(statement: Statement, signs: dict[str, bool]) -> Iterator[str]:
    for load in sorted((a for a in statement.symbols if isinstance(a, Load)), key=_NAME):
        positive = bool(load.is_positive)
        if signs.setdefault(load.name, positive) is not positive:
            yield f"reads {load.name!r} as two symbols, of which one is positive"


def _own(statement: Statement) -> Iterator[str]:
    """Values of a statement that are named twice, or used before they are named."""
    own, named = statement.own, set[sp.Symbol]()
    for symbol, expr in statement.lets if isinstance(statement, Map) else ():
        early = sorted((expr.free_symbols & own) - named, key=_NAME)
        if early:
            yield f"uses {early[0]} before it is named, in the value {symbol}"
        if symbol in named:
            yield f"names the value {symbol} twice in one Map"
        named.add(symbol)
