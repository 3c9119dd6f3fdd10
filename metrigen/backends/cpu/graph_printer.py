"""Programs on a graph as C++: fusion groups over the nodes, lanes of samples and channels side by side.

A node array lies as (node, channel of a group, lane). An edge value is worked out in registers at each end of its edge:
where its head is the node at hand with the tail as the other end, and the other way round.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import sympy as sp

from metrigen.backends.cpu.dialect import CPP
from metrigen.backends.cpu.printer import Function
from metrigen.backends.graph_partition import AtNodes, GraphFusion, GraphPartition
from metrigen.ir.edges import Along, EdgeMap
from metrigen.ir.nodes import ChannelMatmul, ChannelSum, Kind, Load, Map, Outer, ParameterExpression, Program

SIZES = {Kind.SCALAR: "1", Kind.CHANNEL: "G", Kind.MATRIX: "G * G"}


@dataclass(frozen=True)
class GraphRoutine:
    """A program on one block of lanes.

    functions  its fusion groups, then the routine; inputs: site arrays it is handed beside what is given
    sites      site arrays that it returns, in order; edges: edge arrays that it adds to
    sums       parameters whose cotangents it sums; buffers: node arrays of workspace
    """

    functions: tuple[Function, ...]
    inputs: tuple[str, ...]
    sites: tuple[str, ...]
    edges: tuple[str, ...]
    sums: Mapping[str, Kind]
    buffers: int


def print_graph_routine(
    name: str,
    program: Program,
    partition: GraphPartition,
    given: Mapping[str, str],
    sums: Mapping[str, tuple[str, Kind]],
    doc: str,
) -> GraphRoutine:
    """The routine of a program.

    given  array -> where it is found in what comes with the block; sums: parameter cotangent -> its place and kind
    """
    kinds = program.kinds()
    inputs = [a.name for a in program.inputs if a.kind is Kind.SITE and a.name not in given]
    sites = [n for n in program.outputs if kinds[n] is Kind.SITE]
    edges = [n for n in program.outputs if kinds[n] is Kind.EDGE]
    places = {n: f"in[{i}]" for i, n in enumerate(inputs)} | {n: given[n] for n in given if kinds.get(n) is Kind.SITE}
    copied = [n for n in sites if n in places]
    results = {n: f"out[{i}]" for i, n in enumerate(sites) if n not in copied}
    buffers = _buffers(partition.fusions, results)
    places |= results | {n: f"work + {i} * at.block" for n, i in buffers.items()}
    target = {term: sums[out] for out, terms in partition.totals.items() for term in terms if out in sums}
    bars = {n: f"given.bar[{i}]" for i, n in enumerate(edges)}
    functions, lines = [], []
    for s in partition.early:
        lines += _local(s, kinds, given)
    for i, fusion in enumerate(partition.fusions):
        printed = _FusionPrinter(f"{name}_{i}", fusion, kinds, target, frozenset(edges))
        functions.append(printed.function())
        arguments = [*(places[n] for n in printed.loads), *(places[n] for n in fusion.stored)]
        arguments += [given[n] for n in printed.weights] + [bars[n] for n in printed.bars]
        arguments += [given.get(n, f"{n}__c") for n in printed.numbers]
        lines.append(f"{name}_{i}({', '.join(['at', *arguments, *(['given.sums'] if printed.sums else [])])});")
    lines += [f"copy(at, {places[n]}, out[{sites.index(n)}]);" for n in copied]
    args = ("const At& at", "const Given& given", "const R* const* in", "R* const* out", "R* const work")
    functions.append(Function(name, doc, args, tuple(lines)))
    kept = dict(target.values())
    return GraphRoutine(tuple(functions), tuple(inputs), tuple(sites), tuple(edges), kept, _most(buffers))


def _local(s: ParameterExpression, kinds: Mapping[str, Kind], given: Mapping[str, str]) -> list[str]:
    """A value of parameters, for all fusion groups."""
    swap: dict[sp.Basic, sp.Basic] = {}
    for a in s.expr.free_symbols:
        kind, place = kinds[a.name], given.get(a.name, f"{a.name}__c")
        swap[a] = _like(a, f"{place}[c]" if kind is Kind.CHANNEL else place)
    value = f"broadcast({CPP.print(s.expr.xreplace(swap))})"
    if s.kind is Kind.SCALAR:
        return [f"const V {s.out}__c = {value};"]
    return [f"V {s.out}__c[G];", f"for (long c = 0; c < G; ++c) {s.out}__c[c] = {value};"]


def _most(buffers: Mapping[str, int]) -> int:
    return max(buffers.values(), default=-1) + 1


def _buffers(fusions: Sequence[GraphFusion], results: Mapping[str, str]) -> dict[str, int]:
    """Stored array -> its place in the workspace: one that no later fusion group reads is taken again."""
    last = {n: i for i, s in enumerate(fusions) for n in _read(s)}
    found: dict[str, int] = {}
    free: list[int] = []
    for i, fusion in enumerate(fusions):
        for n in fusion.stored:
            if n not in results:
                found[n] = min(free) if free else _most(found)
                free = [place for place in free if place != found[n]]
        free += [place for n, place in found.items() if last.get(n, i) == i and place not in free
                 and not any(found[o] == place and last.get(o, -1) > i for o in found)]  # fmt: skip
    return found


def _read(fusion: GraphFusion) -> set[str]:
    return {n for s in (*fusion.edges, *fusion.gathers, *fusion.nodes) for n in s.reads}


def _like(atom: sp.Symbol, name: str) -> sp.Symbol:
    return sp.Symbol(name, real=True, positive=True) if atom.is_positive else sp.Symbol(name, real=True)


class _FusionPrinter:
    """One fusion group as a C++ function."""

    def __init__(
        self, name: str, fusion: GraphFusion, kinds: Mapping[str, Kind], target: Mapping[str, tuple[str, Kind]],
        outputs: frozenset[str],
    ) -> None:  # fmt: skip
        self.name, self.fusion, self.kinds, self.target = name, fusion, kinds, target
        made = {n for s in (*fusion.gathers, *fusion.nodes) for n, _ in s.defines}
        computed = {n for s in fusion.edges for n, _ in s.defines}
        read = sorted(_read(fusion))
        self.loads = [n for n in read if kinds[n] is Kind.SITE and n not in made]
        self.weights = [n for n in read if kinds[n] is Kind.EDGE and n not in computed]
        self.numbers = [n for n in read if kinds[n] in SIZES]
        self.bars = [n for s in fusion.owned for n, _ in s.stores if n in outputs]
        self.ends = sorted({s.src for s in fusion.edges if isinstance(s, EdgeMap)})
        self.own = {n for s in (*fusion.gathers, *fusion.nodes) for n in s.reads if kinds[n] is Kind.SITE}
        on_edges = [n for s in fusion.owned for n, _, _ in s.sums]
        at_nodes = [n for s in fusion.nodes for n in ((s.out,) if isinstance(s, Outer) else _sums_of(s))]
        self.on_edges = list(dict.fromkeys(target[n] for n in on_edges if n in target))
        self.at_nodes = list(dict.fromkeys(target[n] for n in at_nodes if n in target))
        self.sums = bool(self.on_edges or self.at_nodes)

    def function(self) -> Function:
        pointers = {Kind.CHANNEL: "const V* {}__c", Kind.SCALAR: "const V {}__c", Kind.MATRIX: "const R* {}__c"}
        args = (
            "const At& at", *(f"const R* __restrict {n}__a" for n in self.loads),
            *(f"R* __restrict {n}__a" for n in self.fusion.stored), *(f"const Edge {n}__w" for n in self.weights),
            *(f"R* __restrict {n}__w" for n in self.bars), *(pointers[self.kinds[n]].format(n) for n in self.numbers),
            *(("double* sums",) if self.sums else ()),
        )  # fmt: skip
        doc = ", ".join((*self.fusion.stored, *self.bars, *(n for n, _ in (*self.on_edges, *self.at_nodes))))
        return Function(self.name, doc or "nothing", args, tuple(self._lines()))

    def _lines(self) -> list[str]:
        lines = ["at.pieces([&](const long piece, const long begin, const long end) INLINE {"]
        for group, name in ((self.on_edges, "along"), (self.at_nodes, "sum")):
            lines += [f"    V {p}__{name}[{SIZES[kind]}]{{}};" for p, kind in group]
        lines.append("    for (long n = begin; n < end; ++n) {")
        lines += [f"        {line}" for line in (*self._opened(), *self._edges(), *self._nodes())]
        lines += [f"        for (long c = 0; c < G; ++c) store({n}__a + at.place(n, c), {n}__n[c]);"
                  for n in self.fusion.stored]  # fmt: skip
        lines.append("    }")
        for group, name, scaled in ((self.on_edges, "along", ", at.half"), (self.at_nodes, "sum", "")):
            lines += [f"    gather<{SIZES[kind]}>(sums, piece, PLACE_{p}, {p}__{name}{scaled});" for p, kind in group]
        return [*lines, "});"]

    def _opened(self) -> list[str]:
        """What is read at the node itself, and the sums over its edges."""
        lines = []
        for n in self.loads:
            lines.append(f"V {n}__n[G];")
            lines.append(f"for (long c = 0; c < G; ++c) {n}__n[c] = load({n}__a + at.place(n, c));")
        return [*lines, *(f"V {s.out}__n[G]{{}};" for s in self.fusion.gathers)]

    def _edges(self) -> list[str]:
        """The loop over the edges of a node; over those that it is the head of alone where nothing is summed."""
        fusion = self.fusion
        if not fusion.edges:
            return []
        lines = ["const auto edge = [&](auto head, const long place, const long o) INLINE {",
                 "    constexpr bool HEAD = decltype(head)::value;", "    for (long c = 0; c < G; ++c) {"]  # fmt: skip
        inner = [f"const V {n}__o = load({n}__a + at.place(o, c));" for n in self.ends]
        inner += [f"const V {n}__e = {n}__w(place, c);" for n in self.weights]
        for s in fusion.edges:
            inner += self._difference(s) if isinstance(s, EdgeMap) else self._edge_map(s)
        for s in fusion.gathers:
            by = f"{s.src}__e"
            signed = s.along is Along.CODIFFERENCE
            inner.append(f"{s.out}__n[c] += {f'HEAD ? {by} : -{by}' if signed else by};")
        lines += [*(f"        {line}" for line in inner), "    }", "};"]
        lines.append(f"at.{'both' if fusion.gathers else 'heads'}(n, edge);")
        for s in fusion.gathers:
            half = "at.share()" if s.along is Along.CODIFFERENCE else "at.share() * R(0.5)"
            lines.append(f"for (long c = 0; c < G; ++c) {s.out}__n[c] *= {half};")
        return lines

    def _difference(self, s: EdgeMap) -> list[str]:
        own, other = f"{s.src}__n[c]", f"{s.src}__o"
        if s.along is Along.DIFFERENCE:
            return [f"const V {s.out}__e = HEAD ? {own} - {other} : {other} - {own};"]
        return [f"const V {s.out}__e = R(0.5) * ({own} + {other});"]

    def _edge_map(self, s: Map) -> list[str]:
        named = self._named(s, "__e", "")
        lines = [f"V {n}__e;" for n, _ in s.stores]
        lines.append("{")
        lines += [f"    const auto {a.name}__l = {CPP.print(named(e))};" for a, e in s.lets]
        lines += [f"    {n}__e = broadcast({CPP.print(named(e))});" for n, e in s.stores]
        if s in self.fusion.owned:
            kept = [f"add({n}__w + at.place(place, c), {n}__e);" for n, _ in s.stores if n in self.bars]
            kept += [f"{self._sum(n, 'along')} += broadcast({CPP.print(named(e))});"
                     for n, kind, e in s.sums if n in self.target]  # fmt: skip
            lines += [f"    if (HEAD) {line}" for line in kept]
        return [*lines, "}"]

    def _sum(self, term: str, name: str) -> str:
        place, own = self.target[term]
        return f"{place}__{name}[{'c' if own is Kind.CHANNEL else '0'}]"

    def _named(self, s: Map, suffix: str, index: str) -> Callable[[sp.Expr], sp.Expr]:
        """Expressions of a statement in the names of C++: of arrays, of its own values, of parameters."""
        swap: dict[sp.Basic, sp.Basic] = {a: _like(a, f"{a.name}__l") for a, _ in s.lets}
        for a in {a for e in s.expressions for a in e.free_symbols} - set(swap):
            kind = self.kinds.get(a.name)
            if isinstance(a, Load):
                swap[a] = _like(a, f"{a.array}{suffix}{index}")
            elif kind in (Kind.CHANNEL, Kind.SCALAR):
                swap[a] = _like(a, f"{a.name}__c{'[c]' * (kind is Kind.CHANNEL)}")
        return lambda expr: expr.xreplace(swap)

    def _nodes(self) -> list[str]:
        return [line for s in self.fusion.nodes for line in self._node(s)]

    def _node(self, s: AtNodes) -> list[str]:
        if isinstance(s, Outer):
            if s.out not in self.target:
                return []
            place = self.target[s.out][0]
            inner = f"{place}__sum[c * G + d] += {s.left}__n[c] * {s.right}__n[d];"
            return [f"for (long c = 0; c < G; ++c) for (long d = 0; d < G; ++d) {inner}"]
        if isinstance(s, ChannelSum):
            return [f"V {s.out}__n[G];", f"total({s.src}__n, {s.out}__n);"]
        if isinstance(s, ChannelMatmul):
            by = "mix_transposed" if s.transpose else "mix"
            return [f"V {s.out}__n[G];", f"{by}({s.matrix}__c, {s.src}__n, {s.out}__n);"]
        named = self._named(s, "__n", "[c]")
        lines = [f"V {n}__n[G];" for n, _ in s.stores]
        lines.append("for (long c = 0; c < G; ++c) {")
        lines += [f"    const auto {a.name}__l = {CPP.print(named(e))};" for a, e in s.lets]
        lines += [f"    {n}__n[c] = broadcast({CPP.print(named(e))});" for n, e in s.stores]
        lines += [f"    {self._sum(n, 'sum')} += broadcast({CPP.print(named(e))});"
                  for n, kind, e in s.sums if n in self.target]  # fmt: skip
        return [*lines, "}"]


def _sums_of(s: AtNodes) -> tuple[str, ...]:
    return tuple(n for n, _, _ in s.sums) if isinstance(s, Map) else ()
