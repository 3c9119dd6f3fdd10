"""Common subexpressions of each kernel. Invariant: the value of every store and sum."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Set
from dataclasses import replace

import sympy as sp

from metrigen.ir.nodes import Map, Program, Units
from metrigen.ir.queries import maps_in

_UNNAMED = re.compile(r"v__\d+")


def cse(program: Program) -> Program:
    """A program may end as one function: its values without a quantity are numbered through."""
    names = {*program.kinds(), *(s.name for m in program.body if isinstance(m, Map) for s in m.own)}
    free = unnamed({name for name in names if not _UNNAMED.fullmatch(name)})
    return replace(program, body=tuple(_numbered(_cse(s), free) if isinstance(s, Map) else s for s in program.body))


def _cse(statement: Map) -> Map:
    expressions = [e for _, e in statement.lets] + [e for _, e in statement.stores] + [e for _, _, e in statement.sums]
    symbols = unnamed({s.name for s in statement.own})
    shared, reduced = sp.cse(expressions, symbols=symbols, optimizations=[])
    n, m = len(statement.lets), len(statement.lets) + len(statement.stores)
    return replace(
        statement,
        stores=tuple((name, e) for (name, _), e in zip(statement.stores, reduced[n:m], strict=True)),
        sums=tuple((name, kind, e) for (name, kind, _), e in zip(statement.sums, reduced[m:], strict=True)),
        lets=ordered((*shared, *((s, e) for (s, _), e in zip(statement.lets, reduced[:n], strict=True)))),
    )


def unnamed(taken: Set[str]) -> Iterator[sp.Symbol]:
    """Names of values that have no quantity to be named after."""
    return (sp.Symbol(f"v__{k}", real=True) for k in itertools.count() if f"v__{k}" not in taken)


def _numbered(statement: Map, free: Iterator[sp.Symbol]) -> Map:
    """Such values with the next free names, in their order."""
    names = dict(zip((s for s, _ in statement.lets if _UNNAMED.fullmatch(s.name)), free, strict=False))
    lets = tuple((names.get(s, s), e) for s, e in statement.lets)
    return replace(statement, lets=lets).with_expressions(lambda e: e.xreplace(names))


def ordered(lets: tuple[tuple[sp.Symbol, sp.Expr], ...]) -> tuple[tuple[sp.Symbol, sp.Expr], ...]:
    """Definitions before uses: shared subexpressions may use named values and the other way round."""
    defined = dict(lets)
    done: dict[sp.Symbol, sp.Expr] = {}

    for symbol, _ in lets:
        stack = [symbol]
        while stack:
            top = stack[-1]
            used = sorted(defined[top].free_symbols & defined.keys(), key=lambda s: s.name)
            missing = [other for other in used if other not in done]
            if top in done or not missing:
                done.setdefault(top, defined[top])
                stack.pop()
            else:
                stack.extend(reversed(missing))
    return tuple(done.items())


def count_ops(program: Program) -> int:
    """Arithmetic operations per site of all kernels of a program."""
    of_units = (s for s in program if isinstance(s, Units))
    units = sum(s.count * int(sp.count_ops(e)) for s in of_units for e in s.expressions)
    maps = maps_in(program, "count_ops")
    return units + sum(int(sp.count_ops(e)) for s in maps for e in s.expressions if not e.is_Symbol)
