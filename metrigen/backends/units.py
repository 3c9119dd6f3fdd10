"""What a loop over the units of a network works out in one pass, for all printers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import sympy as sp

from metrigen.ir.units import Units


@dataclass(frozen=True)
class Pass:
    """lets: values of a unit by name, every function once; stores: (array, term of its sum); sums: (array, its row)."""

    lets: tuple[tuple[sp.Symbol, sp.Expr], ...]
    stores: tuple[tuple[str, sp.Expr], ...]
    sums: tuple[tuple[str, tuple[sp.Expr, ...]], ...]


def unit_pass(statement: Units, names: Mapping[sp.Basic, sp.Basic], wanted: Collection[str] | None = None) -> Pass:
    """The statement with ``names`` in the place of what it reads; of its sums those that are ``wanted``. Its values are
    named after what it defines first, so that no two statements of a program share a name."""
    prefix = f"{statement.defines[0][0]}__u"
    sums = [(n, row) for n, row in statement.sums if wanted is None or n in wanted]
    whole = [e for _, e in statement.stores] + [e for _, row in sums for e in row]
    functions = sorted({f for e in whole for f in e.atoms(sp.Function)}, key=sp.default_sort_key)
    called = {f: sp.Symbol(f"{prefix}f{i}", real=True) for i, f in enumerate(functions)}
    values_of = [f.func(*(a.xreplace(called) for a in f.args)) for f in functions]
    given = [e.xreplace(names) for e in (*values_of, *(e.xreplace(called) for e in whole))]
    shared, reduced = sp.cse(given, sp.numbered_symbols(prefix, real=True), [])
    made = [(called[f], e) for f, e in zip(functions, reduced, strict=False)]
    values = iter(reduced[len(functions) :])
    return Pass(
        _ordered([*shared, *made]),
        tuple((n, next(values)) for n, _ in statement.stores),
        tuple((n, tuple(next(values) for _ in row)) for n, row in sums),
    )


def _ordered(lets: list[tuple[sp.Symbol, sp.Expr]]) -> tuple[tuple[sp.Symbol, sp.Expr], ...]:
    """Every value before those that use it."""
    waiting, done, known = list(lets), [], {symbol for symbol, _ in lets}
    while waiting:
        ready = next(pair for pair in waiting if not pair[1].free_symbols & known)
        waiting.remove(ready)
        known.discard(ready[0])
        done.append(ready)
    return tuple(done)
