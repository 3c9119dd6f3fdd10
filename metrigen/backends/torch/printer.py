"""Programs as readable PyTorch: the body of a function, one line per value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import sympy as sp

from metrigen.backends.torch.dialect import TORCH
from metrigen.backends.torch.units import unit_lines
from metrigen.ir.constraints import Constraint, constraint_key
from metrigen.ir.implicit import Equation, Root, RootAdjoint, SiteSum
from metrigen.ir.nodes import (
    Accumulate,
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
    Statement,
    Units,
)
from metrigen.ir.queries import learned_in, summed_into
from metrigen.ir.statement import unknown


@dataclass(frozen=True)
class Function:
    """A function to be framed by a template; ``learned`` are the learned functions that it calls, ``reports`` whether
    it solves an equation and can say what became of it."""

    name: str
    args: tuple[str, ...]
    lines: tuple[str, ...]
    results: tuple[str, ...]
    learned: tuple[str, ...] = field(default=(), repr=False)  # operators are named after the rest
    reports: bool = field(default=False, repr=False)


def print_function(
    program: Program,
    rank: int,
    name: str | None = None,
    constraints: Mapping[Constraint, Program] | None = None,
    equations: Mapping[Equation, str] | None = None,
    blocks: Mapping[str, int] | None = None,
) -> Function:
    """The program as one function of its inputs; ``constraints`` are those of the linear equations that it solves,
    ``equations`` the names of the others. ``blocks``: channel matrices that come as the blocks on their diagonal, of so
    many channels; functions of the file multiply by them."""
    writer = _Writer(program, rank, constraints or {}, equations or {}, blocks or {})
    for statement in program.body:
        writer.write(statement)
    args = tuple(a.name for a in program.inputs)
    learned = tuple(head.name for head in learned_in(program))
    return Function(name or program.name, args, tuple(writer.lines), tuple(program.outputs), learned,
                    any(isinstance(s, Root) for s in program.body))  # fmt: skip


class _Writer:
    def __init__(
        self, program: Program, rank: int, constraints: Mapping[Constraint, Program], equations: Mapping[Equation, str],
        blocks: Mapping[str, int],
    ) -> None:  # fmt: skip
        self.constraints, self.equations, self.blocks = constraints, equations, blocks
        self.owner = summed_into(program)
        self.kinds, self.rank = program.kinds(), rank
        self.lines: list[str] = []
        self.read: set[str] = set()
        self.site = next((a.name for a in program.inputs if a.kind is Kind.SITE), "")

    def write(self, statement: Statement) -> None:
        if isinstance(statement, Map):
            self._map(statement)
            return
        if isinstance(statement, Solve):
            given = ", ".join((statement.rhs, *statement.coefficients))
            constraint = self.constraints[constraint_key(statement)].name.upper()
            self.lines.append(f"{statement.out} = solve({constraint}, {given})")
            return
        if isinstance(statement, (Root, RootAdjoint)):
            self.lines.append(self._root(statement))
            return
        if isinstance(statement, Units):
            self.lines.extend(unit_lines(statement, self.rank, self.site, self.lines))
            return
        if isinstance(statement, SiteSum):
            over = tuple(range(1 if statement.channels else 2, 2 + self.rank))
            summed = f"{statement.src}.sum({over}, keepdim=True).expand_as({statement.src})" if over else statement.src
            self.lines.append(f"{statement.out} = {summed}")
            return
        if isinstance(statement, ChannelMatmul) and statement.matrix in self.blocks:
            call = "rotated_back" if statement.transpose else "rotated"
            self.lines.append(f"{statement.out} = {call}({statement.matrix}, {statement.src})")
            return
        if isinstance(statement, Outer) and self.owner[statement.out] in self.blocks:
            size = self.blocks[self.owner[statement.out]]
            self.lines.append(f"{statement.out} = products({statement.left}, {statement.right}, {size})")
            return
        self.lines.extend(statement_line(statement))

    def _root(self, statement: Root | RootAdjoint) -> str:
        equation, given = self.equations[statement.equation].upper(), _tuple(statement.given)
        outs = ", ".join(statement.outs) + ("," if len(statement.outs) == 1 else "")
        if isinstance(statement, Root):
            return f"{outs} = root({equation}, {_tuple(statement.starts)}, {given}, report)"
        return f"{outs} = linear({equation}, True, {_tuple(statement.at)}, {given}, {_tuple(statement.sources)})"

    def _map(self, statement: Map) -> None:
        atoms = {atom for e in statement.expressions for atom in e.free_symbols}
        for atom in sorted((a for a in atoms if isinstance(a, (Load, Inside))), key=lambda a: a.name):
            if atom.name in self.read or not any(atom.offset):
                continue
            self.read.add(atom.name)
            if isinstance(atom, Load):
                self.lines.append(f"{atom.name} = shift({atom.array}, {atom.offset})")
            else:
                complement = "1.0 - " if isinstance(atom, Outside) else ""
                self.lines.append(f"{atom.name} = {complement}inside({self.site}, {atom.offset})")
        views = {
            a: sp.Symbol(f"{a.name}__c", real=True)
            for a in sorted(atoms, key=lambda a: a.name)
            if self.rank and self.kinds.get(a.name) is Kind.CHANNEL and not isinstance(a, Load)
        }
        for a, view in views.items():
            if view.name not in self.read:
                self.read.add(view.name)
                self.lines.append(f"{view.name} = {a.name}[:, {', '.join(['None'] * self.rank)}]")
        for symbol, expr in statement.lets:
            self.lines.append(f"{symbol.name} = {TORCH.print(expr.xreplace(views))}")
        self.lines += store_lines(statement, views, self.site)
        for name, kind, expr in statement.sums:
            over = f"dim={[0, *range(2, 2 + self.rank)]}" if kind is Kind.CHANNEL else ""
            self.lines.append(f"{name} = sites({TORCH.print(expr.xreplace(views))}, {self.site}).sum({over})")


def _tuple(names: tuple[str, ...]) -> str:
    return f"({', '.join(names)}{',' if len(names) == 1 else ''})"


def store_lines(statement: Map, views: Mapping[sp.Symbol, sp.Symbol], like: str) -> list[str]:
    """The stores of a map, each in the shape of ``like``; an array that is stored as it is takes no line."""
    own = {symbol for symbol, _ in statement.lets}
    lines = []
    for name, expr in statement.stores:
        if expr.is_Symbol and expr.name == name:
            continue
        text = TORCH.print(expr.xreplace(views))
        whole = expr.has(Load) or bool(own & expr.free_symbols)
        lines.append(f"{name} = {text}" if whole else f"{name} = torch.zeros_like({like}) + {text}")
    return lines


def statement_line(statement: Statement) -> list[str]:
    """A statement on whole arrays, as torch code."""
    if isinstance(statement, ParameterExpression):
        return [f"{statement.out} = {TORCH.print(statement.expr)}"]
    if isinstance(statement, Reduction):
        return [f"{statement.out} = {statement.src}.sum()"]
    if isinstance(statement, ChannelMatmul):
        order = "dc" if statement.transpose else "cd"
        return [f'{statement.out} = torch.einsum("{order},bd...->bc...", {statement.matrix}, {statement.src})']
    if isinstance(statement, ChannelSum):
        return [f"{statement.out} = {statement.src}.sum(1, keepdim=True).expand_as({statement.src})"]
    if isinstance(statement, Outer):
        return [f'{statement.out} = torch.einsum("bc...,bd...->cd", {statement.left}, {statement.right})']
    if isinstance(statement, Accumulate):
        nothing = f"torch.zeros_like({statement.out.removesuffix('__bar')})"
        return [f"{statement.out} = {' + '.join(statement.terms) or nothing}"]
    if isinstance(statement, Cayley):
        return [f"{statement.out} = cayley({statement.matrix}, {statement.scale})"]
    if isinstance(statement, CayleyAdjoint):
        outs = f"{statement.out_matrix}, {statement.out_scale}"
        reads = f"{statement.matrix}, {statement.scale}, {statement.rotation}, {statement.cotangent}"
        return [f"{outs} = cayley_adjoint({reads})"]
    raise unknown(statement, "the torch printer")
