"""Solve every linear equation once, and not at all where its solution is known.

    equal right sides          A psi = r and A chi = r    one solve
    a multiple is at hand      A chi = c A psi            chi = c psi, c free of the fields

The second is how the multiplier of an energy that is the quadratic form of its constraint is found: dH/dpsi = c A psi
on the lattice as well. Invariant: the value of every output.
"""

from __future__ import annotations

from dataclasses import replace

import sympy as sp

from metrigen.ir.nodes import Inside, Load, Map, Program, Solve, Statement, loads
from metrigen.passes.prune import prune
from metrigen.passes.tidy import indicators


def share_solves(program: Program) -> Program:
    """The program with repeated solves, and those of a known solution, replaced."""
    if not any(isinstance(s, Solve) for s in program.body):
        return program
    names: dict[str, str] = {}
    made: dict[sp.Expr, str] = {}
    solved: list[Solve] = []
    body: list[Statement] = []
    for original in program.body:
        statement = original.renamed(names)
        if isinstance(statement, Map):
            _share_stores(statement, made, names, set(program.outputs))
        elif isinstance(statement, Solve):
            known = next((s for s in solved if _same(s, statement) and s.rhs == statement.rhs), None)
            if known is not None and statement.out not in program.outputs:
                names[statement.out] = known.out
                continue
            multiple = _multiple(statement, solved, made)
            if multiple is not None:
                statement = Map(stores=((statement.out, multiple),))
            else:
                solved.append(statement)
        body.append(statement)
    return prune(replace(program, body=tuple(body)))


def _share_stores(statement: Map, made: dict[sp.Expr, str], names: dict[str, str], outputs: set[str]) -> None:
    """Remember what is stored; a value that is stored already goes by its first name."""
    own = {symbol for symbol, _ in statement.lets}
    for name, expr in statement.stores:
        if own & expr.free_symbols:
            continue
        first = made.setdefault(expr, name)
        if first != name and name not in outputs:
            names[name] = first


def _same(a: Solve, b: Solve) -> bool:
    return a.singular == b.singular and a.acting_on(b.out) == b.operator


def _multiple(statement: Solve, solved: list[Solve], made: dict[sp.Expr, str]) -> sp.Expr | None:
    """c psi, if the right side is c A psi for a psi that is at hand."""
    right = next((expr for expr, name in made.items() if name == statement.rhs), None)
    for other in solved if right is not None else ():
        factor = _ratio(_coefficients(right), _coefficients(other.operator)) if _same(other, statement) else None
        if factor is not None:
            own = next(load for load in loads(other.operator) if load.array == other.out)
            return factor * Load(other.out, (0,) * len(own.offset))
    return None


def _coefficients(expr: sp.Expr) -> dict[sp.Expr, sp.Expr]:
    """Product of loads -> what it is multiplied by."""
    found: dict[sp.Expr, sp.Expr] = {}
    for term in sp.Add.make_args(sp.expand(expr)):
        number, product = indicators(term).as_independent(Load, Inside, as_Add=False)
        found[product] = found.get(product, sp.S.Zero) + number
    return {product: c for product, c in found.items() if c != 0}


def _ratio(over: dict[sp.Expr, sp.Expr], under: dict[sp.Expr, sp.Expr]) -> sp.Expr | None:
    """c with over = c under, by one coefficient that is no sum, compared in all."""
    if over.keys() != under.keys():
        return None
    at = next((p for p, c in under.items() if not c.is_Add), None)
    if at is None:
        return None
    factor = over[at] / under[at]
    return factor if all(sp.expand(over[p] - factor * c) == 0 for p, c in under.items()) else None
