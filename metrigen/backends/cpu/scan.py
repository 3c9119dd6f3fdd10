"""Pointwise programs as C++ functions of vectors: one vector of channels at one token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sympy as sp

from metrigen.backends.cpu.names import is_taken
from metrigen.backends.expressions import CPP
from metrigen.ir.damped_stumpff import damped_stumpff
from metrigen.ir.nodes import Map, Program
from metrigen.ir.statement import unknown

# Names that the C++ around a function uses itself.
TAKEN = frozenset("R V LANES load store spread std Turn Stumpff turn Word Bits omp".split())


@dataclass(frozen=True)
class Pointwise:
    """A function of vectors: arguments, results and lines in C++."""

    name: str
    args: tuple[str, ...]
    results: tuple[str, ...]
    lines: tuple[str, ...]


def print_pointwise(program: Program) -> Pointwise:
    """The program as a C++ function; sine and cosine of one angle, and all Stumpff functions of one argument, are
    evaluated together."""
    names = {a.name: f"{a.name}__of_spec" for a in program.inputs if a.name in TAKEN or is_taken(a.name)}
    body = tuple(s.renamed(names) for s in program.body)
    lines: list[str] = []
    made: dict[tuple[sp.Expr, ...], str] = {}
    tops = _tops(body)
    for statement in body:
        if not isinstance(statement, Map):
            raise unknown(statement, "the C++ printer of tokens")
        for symbol, expr in statement.lets:
            declared = "" if symbol.name in program.outputs else "const V "
            lines.append(f"{declared}{symbol.name} = spread({CPP.print(_together(expr, made, lines, tops))});")
        for name, expr in statement.stores:
            if not (expr.is_Symbol and expr.name == name):
                lines.append(f"{name} = spread({CPP.print(_together(expr, made, lines, tops))});")
    return Pointwise(program.name, tuple(names.get(a.name, a.name) for a in program.inputs),
                     tuple(program.outputs), tuple(lines))  # fmt: skip


def _tops(body: Sequence[object]) -> dict[tuple[sp.Expr, ...], int]:
    """The highest order of the Stumpff functions of each argument."""
    tops: dict[tuple[sp.Expr, ...], int] = {}
    for statement in body:
        for e in statement.expressions if isinstance(statement, Map) else ():
            for f in sorted(e.atoms(damped_stumpff), key=sp.default_sort_key):
                tops[f.args[1:]] = max(int(f.args[0]), tops.get(f.args[1:], 1))
    return tops


def _together(
    expr: sp.Expr, made: dict[tuple[sp.Expr, ...], str], lines: list[str], tops: dict[tuple[sp.Expr, ...], int]
) -> sp.Expr:
    """The expression with the members of each joint evaluation in the place of its functions."""
    found = sorted(expr.atoms(sp.sin, sp.cos, damped_stumpff), key=sp.default_sort_key)
    swap: dict[sp.Basic, sp.Basic] = {}
    for f in found:
        arguments = f.args[1:] if isinstance(f, damped_stumpff) else f.args
        if arguments not in made:
            made[arguments] = f"joint__{len(made)}"
            texts = ", ".join(f"spread({CPP.print(_together(a, made, lines, tops))})" for a in arguments)
            kind = f"Stumpff<{tops[arguments]}>" if isinstance(f, damped_stumpff) else "Turn"
            lines.append(f"const {kind} {made[arguments]}({texts});")
        member = "sine" if isinstance(f, sp.sin) else "cosine"
        if isinstance(f, damped_stumpff):
            member = f"c[{int(f.args[0])}]"
        swap[f] = sp.Symbol(f"{made[arguments]}.{member}", real=True)
    return expr.xreplace(swap)
