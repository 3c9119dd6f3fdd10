"""Programs of a graph as readable PyTorch: functions of the graph and of node and edge arrays, one line per value.

``graph`` is what knows the edges: ``graph.difference(u)`` and its kin act between node and edge arrays, whichever form
the edges have.
"""

from __future__ import annotations

from collections.abc import Iterable

import sympy as sp

from metrigen.backends.edge_products import EdgeSum, edge_sums
from metrigen.backends.torch.dialect import TORCH
from metrigen.backends.torch.printer import Function, statement_line, store_lines
from metrigen.ir.edges import EdgeMap
from metrigen.ir.nodes import Kind, Map, Program, Statement


def print_graph_function(program: Program, name: str) -> Function:
    """The program as one function of the graph and its inputs."""
    writer = _Writer(program)
    for statement in edge_sums(program):
        writer.write(statement)
    args = ("graph", *(a.name for a in program.inputs))
    return Function(name, args, tuple(writer.lines), tuple(program.outputs))


class _Writer:
    def __init__(self, program: Program) -> None:
        self.kinds = program.kinds()
        self.lines: list[str] = []
        self.viewed: set[str] = set()
        self.node = next(a.name for a in program.inputs if a.kind is Kind.SITE)

    def write(self, statement: Statement | EdgeSum) -> None:
        if isinstance(statement, Map):
            self._map(statement)
        elif isinstance(statement, EdgeSum):
            self._sum(statement)
        elif isinstance(statement, EdgeMap):
            self.lines.append(f"{statement.out} = graph.{statement.along.value}({statement.src})")
        else:
            self.lines.extend(statement_line(statement))

    def _sum(self, statement: EdgeSum) -> None:
        views = self._views([weight for weight, _ in statement.terms], True)
        parts = []
        for weight, over in statement.terms:
            name = "flows" if len(over) == 1 else "products"
            parts.append(f"graph.{name}({TORCH.print(weight.xreplace(views))}, {', '.join(over)})")
        self.lines.append(f"{statement.out} = {' + '.join(parts)}")

    def _map(self, statement: Map) -> None:
        edge = statement.over is Kind.EDGE
        like = f"graph.edges({self.node})" if edge else self.node
        views = self._views(statement.expressions, edge)
        for symbol, expr in statement.lets:
            self.lines.append(f"{symbol.name} = {TORCH.print(expr.xreplace(views))}")
        self.lines += store_lines(statement, views, like)
        for name, kind, expr in statement.sums:
            value = f"({TORCH.print(expr.xreplace(views))}).expand_as({like})"
            total = f"graph.total({value})" if edge else f"{value}.sum(-1)"
            over = "sum(0)" if kind is Kind.CHANNEL else "sum()"
            self.lines.append(f"{name} = {total}.{over}")

    def _views(self, expressions: Iterable[sp.Expr], edge: bool) -> dict[sp.Symbol, sp.Symbol]:
        """Coefficients of the channels in the shape that meets node or edge arrays."""
        views = {}
        atoms = {atom for e in expressions for atom in e.free_symbols}
        for a in sorted((a for a in atoms if self.kinds.get(a.name) is Kind.CHANNEL), key=lambda a: a.name):
            view = sp.Symbol(f"{a.name}__{'e' if edge else 'n'}", real=True)
            if view.name not in self.viewed:
                self.viewed.add(view.name)
                self.lines.append(f"{view.name} = " + (f"graph.channels({a.name})" if edge else f"{a.name}[:, None]"))
            views[a] = view
        return views
