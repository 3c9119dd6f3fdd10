"""Common subexpressions of each kernel. Invariant: the value of every store and sum."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import sympy as sp

from metrigen.ir.nodes import Map, Program
from metrigen.ir.queries import maps_in


def cse(program: Program) -> Program:
    return replace(program, body=tuple(_cse(s) if isinstance(s, Map) else s for s in program.body))


def _cse(statement: Map) -> Map:
    expressions = [e for _, e in statement.lets] + [e for _, e in statement.stores] + [e for _, _, e in statement.sums]
    shared, reduced = sp.cse(expressions, symbols=_names(), optimizations=[])
    n, m = len(statement.lets), len(statement.lets) + len(statement.stores)
    return replace(
        statement,
        stores=tuple((name, e) for (name, _), e in zip(statement.stores, reduced[n:m], strict=True)),
        sums=tuple((name, kind, e) for (name, kind, _), e in zip(statement.sums, reduced[m:], strict=True)),
        lets=ordered((*shared, *((s, e) for (s, _), e in zip(statement.lets, reduced[:n], strict=True)))),
    )


def _names() -> Iterator[sp.Symbol]:
    index = 0
    while True:
        yield sp.Symbol(f"v__{index}", real=True)
        index += 1


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
    return sum(int(sp.count_ops(e)) for s in maps_in(program, "count_ops") for e in s.expressions if not e.is_Symbol)
