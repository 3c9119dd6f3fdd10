"""Pointwise programs as C++ functions of vectors: one vector of channels at one token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

import sympy as sp

from metrigen.backends.cpu.dialect import CPP
from metrigen.backends.cpu.names import is_taken
from metrigen.ir.damped_stumpff import damped_stumpff
from metrigen.ir.nodes import Map, Program
from metrigen.ir.statement import unknown
from metrigen.spec.functions import expm1

# Names that the C++ around a function uses itself.
TAKEN = frozenset("R V LANES load store broadcast std SineCosine Growth Stumpff rotate Word Bits omp".split())


@dataclass(frozen=True)
class Pointwise:
    """A function of vectors: arguments, results and lines in C++."""

    name: str
    args: tuple[str, ...]
    results: tuple[str, ...]
    lines: tuple[str, ...]


@dataclass
class _Joint:
    """What is evaluated together: sine and cosine of one angle; e^x and e^x - 1, where the latter is read; all Stumpff
    functions of one argument.

    tops   the highest order of the Stumpff functions of each argument
    grown  arguments of e^x - 1
    made   type and arguments -> the name of the object that has the values
    """

    tops: Mapping[tuple[sp.Expr, ...], int]
    grown: Set[sp.Expr]
    lines: list[str]
    made: dict[tuple[str, tuple[sp.Expr, ...]], str]

    def print(self, expr: sp.Expr) -> str:
        """The expression with the members of each joint evaluation in the place of its functions."""
        found = sorted(expr.atoms(sp.sin, sp.cos, sp.exp, expm1, damped_stumpff), key=sp.default_sort_key)
        swap: dict[sp.Basic, sp.Basic] = {}
        for f in found:
            if isinstance(f, sp.exp) and f.args[0] not in self.grown:
                continue
            kind, arguments, member = self._place(f)
            if (kind, arguments) not in self.made:
                name = self.made[kind, arguments] = f"joint__{len(self.made)}"
                texts = ", ".join(f"broadcast({self.print(a)})" for a in arguments)
                self.lines.append(f"const {kind} {name}({texts});")
            swap[f] = sp.Symbol(f"{self.made[kind, arguments]}.{member}", real=True)
        return CPP.print(expr.xreplace(swap))

    def _place(self, f: sp.Expr) -> tuple[str, tuple[sp.Expr, ...], str]:
        """The type of the object, its arguments, and the member that is the value."""
        if isinstance(f, damped_stumpff):
            return f"Stumpff<{self.tops[f.args[1:]]}>", f.args[1:], f"c[{int(f.args[0])}]"
        if isinstance(f, (sp.sin, sp.cos)):
            return "SineCosine", f.args, "sine" if isinstance(f, sp.sin) else "cosine"
        return "Growth", f.args, "less_one" if isinstance(f, expm1) else "whole"


def print_pointwise(program: Program) -> Pointwise:
    """The program as a C++ function."""
    names = {a.name: f"{a.name}__of_spec" for a in program.inputs if a.name in TAKEN or is_taken(a.name)}
    body = tuple(s.renamed(names) for s in program.body)
    lines: list[str] = []
    joint = _joint(body, lines)
    for statement in body:
        if not isinstance(statement, Map):
            raise unknown(statement, "the C++ printer of tokens")
        for symbol, expr in statement.lets:
            declared = "" if symbol.name in program.outputs else "const V "
            lines.append(f"{declared}{symbol.name} = broadcast({joint.print(expr)});")
        for name, expr in statement.stores:
            if not (expr.is_Symbol and expr.name == name):
                lines.append(f"{name} = broadcast({joint.print(expr)});")
    return Pointwise(program.name, tuple(names.get(a.name, a.name) for a in program.inputs),
                     tuple(program.outputs), tuple(lines))  # fmt: skip


def _joint(body: Sequence[object], lines: list[str]) -> _Joint:
    tops: dict[tuple[sp.Expr, ...], int] = {}
    grown: set[sp.Expr] = set()
    for statement in body:
        for e in statement.expressions if isinstance(statement, Map) else ():
            for f in e.atoms(damped_stumpff, expm1):
                if isinstance(f, expm1):
                    grown.add(f.args[0])
                else:
                    tops[f.args[1:]] = max(int(f.args[0]), tops.get(f.args[1:], 1))
    return _Joint(tops, grown, lines, {})
