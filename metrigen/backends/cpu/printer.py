"""Programs as C++ for one tile: the coupled channels of one sample, every plane of them on chip.

A routine runs the fusion groups of a program one after the other over padded planes in a small workspace; a fusion
group takes the rows in vectors. Where channels are coupled, a fusion group holds all of them at a site, so that a
channel map is arithmetic on registers. Sums over the sites are gathered in double precision, one number per tile,
channel and parameter. An equation is a C++ type of its own, and its solution a call of the ``solver`` that the routine
is handed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sympy as sp

from metrigen.backends.cpu.dialect import CPP
from metrigen.backends.cpu.units import unit_lines, unit_sums
from metrigen.backends.cpu.waves import solve_call
from metrigen.ir.implicit import Equation, Root, RootAdjoint, SiteSum
from metrigen.ir.nodes import (
    Accumulate,
    ChannelMatmul,
    ChannelSum,
    Inside,
    Kind,
    Load,
    Map,
    Offset,
    Outer,
    Outside,
    Program,
    Solve,
    Units,
    offset_text,
)
from metrigen.passes.partition import FusionGroup, Partition, neighbour_reads

PADDED, DENSE = "padded", "dense"
_OF_CHANNEL = "c * at.{} + "  # from the first plane of a tile to that of channel c


@dataclass(frozen=True)
class Function:
    """A C++ function: its arguments and the lines of its body."""

    name: str
    doc: str
    args: tuple[str, ...]
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Routine:
    """A program on one tile.

    fusion groups   its fusion groups, then the routine itself, in the order in which they are defined
    inputs   site arrays that it is handed, outputs those that it writes, both in order
    buffers  planes of workspace that it needs for itself; ``summing``: whether it adds to the sums of its tile
    solving  whether it solves equations
    """

    fusions: tuple[Function, ...]
    body: Function
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    buffers: int
    summing: bool
    solving: bool = False


@dataclass(frozen=True)
class Layout:
    """How arrays of a routine lie in memory: ``dense`` ones as in the tensor, all others padded by a halo.

    given    site arrays that come with the tile instead of as an argument
    filled   outputs that somebody reads at neighbours, whose halo the routine fills
    streamed dense outputs that nobody reads soon
    flat     whether a row holds numbers of all samples and channels: a number a channel is a row as well, and a sum
             keeps its lanes apart
    on_request  sums that are left out where nobody asks for them
    apart    numbers for all of which a lane of a row may have its own
    """

    dense: frozenset[str]
    given: frozenset[str]
    filled: frozenset[str]
    streamed: frozenset[str] = frozenset()
    flat: bool = False
    on_request: frozenset[str] = frozenset()
    apart: frozenset[str] = frozenset()

    def asked(self, name: str) -> str:
        """What goes ahead of a statement that adds to a sum."""
        return "if (VARIED) " if name in self.on_request else ""


def print_routine(
    name: str, program: Program, parts: Partition, layout: Layout, equations: Mapping[Equation, str] | None = None
) -> Routine:
    """The C++ of ``program``, cut into ``parts``; ``equations`` are those that it solves, by their C++ type."""
    kinds = program.kinds()
    sites = [a.name for a in program.inputs if a.kind is Kind.SITE and a.name not in layout.given]
    outputs = [n for n in program.outputs if kinds[n] is Kind.SITE]
    neighbours = neighbour_reads(program.body)
    target = {term: summed(total) for total in parts.totals for term in total.terms}
    local: list[str] = []
    fusions: list[Function] = []
    lines: list[str] = []
    for part in parts.parts:
        if isinstance(part, Outer):
            dense = ", ".join(str(n in layout.dense).lower() for n in (part.left, part.right))
            places = f"{_arg(part.left, layout)}, {_arg(part.right, layout)}"
            lines.append(f"outer_product<{dense}>(at, {places}, sums.{target[part.out]});")
            continue
        stored = part.stored if isinstance(part, FusionGroup) else tuple(n for n, _ in part.defines)
        fresh = [n for n in stored if n not in outputs]
        places_of = [f"R* const {n} = work + {len(local) + i} * at.block;" for i, n in enumerate(fresh)]
        if isinstance(part, FusionGroup):
            printer = _FusionPrinter(f"{name}_{len(fusions)}", part, kinds, layout, target)
            fusions.append(printer.function())
            lines += [*places_of, printer.call()]
        elif isinstance(part, Solve):
            source = _arg(part.rhs, layout)
            lines += [*places_of, solve_call(part, kinds, source, layout.dense, program.periodic)]
        else:
            lines += [*places_of, _alone(part, layout, equations or {})]
        local += fresh
        fill = [n for n in stored if n in neighbours or n in layout.filled]
        lines += [f"fill(at, {n});" for n in fill if n not in layout.dense]
    solving = any(isinstance(p, (Root, RootAdjoint)) for p in parts.parts)
    args = (
        "const Lattice& at", "const Given& given", *(f"const R* {n}" for n in sites), *(f"R* {n}" for n in outputs),
        *(("Sums& sums",) if target else ()), *(("R* work",) if local else ()),
        *(("Solver& solver",) if solving else ()),
    )  # fmt: skip
    flow = f"{', '.join(sites) or 'coefficients'} -> {', '.join(outputs) or 'sums'}"
    body = Function(name, flow, args, tuple(lines))
    return Routine(tuple(fusions), body, tuple(sites), tuple(outputs), len(local), bool(target), solving)


def _alone(part: SiteSum | Root | RootAdjoint, layout: Layout, equations: Mapping[Equation, str]) -> str:
    """The call that makes a sum over the sites, or the solution of an equation."""
    if isinstance(part, SiteSum):
        return f"site_sum<{str(part.channels).lower()}>(at, {part.src}, {part.out});"
    named = zip(part.equation.residual.inputs[part.equation.unknowns :], part.given, strict=True)
    begin = [n for a, n in named if a.kind is Kind.SITE and n not in layout.given]
    equation = f"{equations[part.equation]}{{at, given, solver.work, {{{', '.join(begin)}}}}}"
    groups = (part.starts, part.outs) if isinstance(part, Root) else (part.at, part.sources, part.outs)
    planes = ", ".join(f"{{{', '.join(names)}}}" for names in groups)
    return f"solver.{'root' if isinstance(part, Root) else 'adjoint'}({equation}, {planes});"


def summed(total: Accumulate) -> str:
    """The name that a sum goes by: that of the parameter whose cotangent it is."""
    return total.out.removesuffix("__bar")


def call(routine: Routine, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> str:
    """The text of a call with places for the arrays."""
    arguments = ["at", "given", *(inputs[n] for n in routine.inputs), *(outputs[n] for n in routine.outputs)]
    arguments += ["sums"] if routine.summing else []
    arguments += ["work"] if routine.buffers else []
    arguments += ["solver"] if routine.solving else []
    return f"{routine.body.name}({', '.join(arguments)});"


def _arg(name: str, layout: Layout) -> str:
    return f"given.{name}" if name in layout.given else name


def _plane_kind(name: str, layout: Layout) -> str:
    return DENSE if name in layout.dense else PADDED


class _FusionPrinter:
    """One fusion group as a C++ function."""

    def __init__(
        self, name: str, fusion: FusionGroup, kinds: Mapping[str, Kind], layout: Layout, target: Mapping[str, str]
    ) -> None:
        self.name, self.fusion, self.kinds, self.layout, self.target = name, fusion, kinds, layout, target
        reads = {n for s in fusion.statements for n in s.reads}
        self.loads = sorted(n for n in reads if kinds[n] is Kind.SITE and n not in fusion.made)
        self.params = sorted(n for n in reads if kinds[n] is not Kind.SITE)
        maps = [s for s in fusion.statements if isinstance(s, Map)]
        self.units = unit_sums(tuple(s for s in fusion.statements if isinstance(s, Units)), target)
        self.of_maps = tuple(dict.fromkeys(target[n] for s in maps for n, _, _ in s.sums if n in target))
        self.sums = (*self.of_maps, *self.units)

    def function(self) -> Function:
        pointers = {
            Kind.CHANNEL: "const R* __restrict {}",
            Kind.SCALAR: "const R {}",
            Kind.MATRIX: "const R* __restrict {}",
            Kind.UNITS: "const R* __restrict {}",
        }
        args = (
            "const Lattice& at",
            *(f"const R* __restrict {n}" for n in self.loads),
            *(f"const Own {n}" if n in self.layout.apart else pointers[self.kinds[n]].format(n) for n in self.params),
            *(f"R* __restrict {n}" for n in self.fusion.stored),
            *(("Sums& sums",) if self.sums else ()),
        )
        doc = ", ".join(self.fusion.stored or self.sums)
        body = self._flat() if self.layout.flat else self._staged() if self.fusion.staged else self._plain()
        return Function(self.name, doc, args, tuple(body))

    def call(self) -> str:
        places = [_arg(n, self.layout) for n in self.loads] + [f"given.{n}" for n in self.params]
        return f"{self.name}({', '.join(['at', *places, *self.fusion.stored, *(['sums'] if self.sums else [])])});"

    def _plain(self) -> list[str]:
        """Channel by channel, row by row."""
        lines = ["for (long c = 0; c < G; ++c) {"]
        lines += [f"    const R {n}__c = {n}[c];" for n in self.params if self.kinds[n] is Kind.CHANNEL]
        lines += [f"    V {n}__sum{{}};" for n in self.sums]
        lines += ["    for (long row = at.begin; row < at.end; ++row) {"]
        lines += [f"        {line}" for line in self._rows("c")]
        lines += ["        columns([&](auto last, const long j) INLINE {"]
        lines += [f"            {line}" for line in self._map(self._whole(), set(), coupled=False)]
        lines += ["        });", "    }"]
        lines += [f"    {self.layout.asked(n)}sums.{n}[c] += horizontal_sum({n}__sum);" for n in self.sums]
        return [*lines, "}"]

    def _flat(self) -> list[str]:
        """One row, each of whose numbers has a channel of its own."""
        lines = [f"const R* const {n}__row = {n};" for n in self.loads]
        lines += [f"R* const {n}__row = {n};" for n in self.fusion.stored]
        lines += ["columns([&](auto last, const long j) INLINE {"]
        lines += [f"    const V {n}__c = load({n} + j);" for n in self.params if self.kinds[n] is Kind.CHANNEL]
        lines += [f"    const auto {n}__c = lane__({n}, j);" for n in self.params if n in self.layout.apart]
        lines += [f"    {line}" for line in self._map(self._whole(), set(), coupled=False)]
        return [*lines, "});"]

    def _whole(self) -> Map:
        """The one statement of a fusion group without channel maps."""
        (statement,) = self.fusion.statements
        assert isinstance(statement, Map)
        return statement

    def _staged(self) -> list[str]:
        """Row by row, all coupled channels of a vector of sites at once."""
        inside: set[str] = set()
        held = [n for n in self.fusion.made if self._is_held(n)]
        lines = [f"V {n}__sum[G]{{}};" for n in self.of_maps]
        lines += [f"UnitSums<G * {size}> {n}__units(sums.{n});" for n, size in self.units.items()]
        lines += ["for (long row = at.begin; row < at.end; ++row) {"]
        lines += [f"    {line}" for line in self._rows("")]
        lines += ["    columns([&](auto last, const long j) INLINE {"]
        lines += [f"        V {n}__at[G];" for n in held]
        for statement in self.fusion.statements:
            if isinstance(statement, Map):
                lines += ["        for (long c = 0; c < G; ++c) {"]
                lines += [f"            {line}" for line in self._map(statement, inside, coupled=True)]
                lines += ["        }"]
                inside.update(n for n, _ in statement.stores if n in held)
                continue
            if isinstance(statement, Units):
                lines += ["        for (long c = 0; c < G; ++c) {"]
                lines += [f"            {line}" for line in self._units(statement, inside)]
                lines += ["        }"]
                inside.update(n for n, _ in statement.stores)
                continue
            lines += [f"        {line}" for line in self._channel_map(statement, inside)]
            inside.add(statement.out)
        lines += ["    });", "}", *(f"{n}__units.end();" for n in self.units)]
        if self.of_maps:
            added = " ".join(f"{self.layout.asked(n)}sums.{n}[c] += horizontal_sum({n}__sum[c]);" for n in self.of_maps)
            lines.append(f"for (long c = 0; c < G; ++c) {{ {added} }}")
        return lines

    def _is_held(self, name: str) -> bool:
        """Whether another statement of the fusion group, or a channel map, deals with the values of a site."""
        made_by_map = any(isinstance(s, Map) and name in dict(s.stores) for s in self.fusion.statements)
        read = any(name in s.reads for s in self.fusion.statements)
        return read or not made_by_map

    def _rows(self, channel: str) -> list[str]:
        """Pointers to the row of every array; with coupled channels, to that of the first channel."""
        lines = []
        for n in (*self.loads, *self.fusion.stored):
            start = "const R*" if n in self.loads else "R*"
            kind = _plane_kind(n, self.layout)
            plane = f" + c * at.{kind}" if channel else ""
            lines.append(f"{start} const {n}__row = {n}{plane} + at.{kind}_row(row);")
        leads = sorted({a.offset[:-1] for a in self._indicators() if any(a.offset[:-1])})
        lines += [
            f"const R inside__{offset_text(lead)} = at.inside_row(row, {', '.join(map(str, lead))});" for lead in leads
        ]
        return lines

    def _indicators(self) -> list[Inside]:
        maps = [s for s in self.fusion.statements if isinstance(s, Map)]
        return sorted({a for s in maps for e in s.expressions for a in e.atoms(Inside)}, key=lambda a: a.name)

    def _map(self, statement: Map, inside: set[str], *, coupled: bool) -> list[str]:
        """The statement at one vector of sites (of channel c)."""
        atoms = sorted({a for e in statement.expressions for a in e.free_symbols}, key=lambda a: a.name)
        plane = _OF_CHANNEL if coupled else ""
        swap: dict[sp.Basic, sp.Basic] = {}
        lines: list[str] = []
        own = {symbol for symbol, _ in statement.lets}
        for a in atoms:
            if isinstance(a, Load) and a.array in inside and not any(a.offset):
                swap[a] = sp.Symbol(f"{a.array}__at[c]" if coupled else a.array, real=True)
            elif isinstance(a, Load):
                lines.append(f"const V {a.name} = {self._load(a.array, plane, _steps(a.offset))};")
            elif isinstance(a, Inside):
                lines.append(f"const V {a.name} = {_indicator(a)};")
            elif a not in own and (self.kinds.get(a.name) is Kind.CHANNEL or a.name in self.layout.apart):
                swap[a] = sp.Symbol(f"{a.name}[c]" if coupled else f"{a.name}__c", real=True)
        lines += [f"const auto {s.name} = {CPP.print(e.xreplace(swap))};" for s, e in statement.lets]
        named = {s.name for s, _ in statement.lets}
        for n, e in statement.stores:
            lines += [] if n in named else [f"const auto {n} = {CPP.print(e.xreplace(swap))};"]
            lines += [f"{n}__at[c] = broadcast({n});"] if coupled and self._is_held(n) else []
            lines += [self._store(n, plane, f"broadcast({n})")] if n in self.fusion.stored else []
        for n, _, e in statement.sums:
            if n in self.target:
                where, value = f"{self.target[n]}__sum" + ("[c]" if coupled else ""), CPP.print(e.xreplace(swap))
                apart = f"{self.layout.asked(self.target[n])}add(sums.{self.target[n]} + j, broadcast({value}));"
                lines.append(apart if self.layout.flat else f"{where} += masked(last, {value});")
        return lines

    def _units(self, statement: Units, inside: set[str]) -> list[str]:
        """Sums over the units of a network at one vector of sites of channel c."""

        def value(load: Load) -> str:
            return f"{load.array}__at[c]" if load.array in inside else self._load(load.array, _OF_CHANNEL)

        lines = unit_lines(statement, value, self.target)
        for n, _ in statement.stores:
            lines.append(f"{n}__at[c] = {n};")
            lines += [self._store(n, _OF_CHANNEL, n)] if n in self.fusion.stored else []
        return lines

    def _load(self, array: str, plane: str, steps: str = "") -> str:
        kind = _plane_kind(array, self.layout)
        load = "load_dense(last, " if kind == DENSE else "load("
        return f"{load}{array}__row + {plane.format(kind)}j{steps})"

    def _store(self, array: str, plane: str, value: str) -> str:
        kind = _plane_kind(array, self.layout)
        store = "store_dense(last, " if kind == DENSE else "store("
        store = "store_result(at, last, " if array in self.layout.streamed else store
        return f"{store}{array}__row + {plane.format(kind)}j, {value});"

    def _channel_map(self, statement: ChannelMatmul | ChannelSum, inside: set[str]) -> list[str]:
        """All channels of a vector of sites through a matrix, or summed."""
        src, out = statement.src, statement.out
        lines, source = [], f"{src}__at"
        if src not in inside:
            lines.append(f"V {source}[G];")
            lines.append(f"for (long c = 0; c < G; ++c) {source}[c] = {self._load(src, _OF_CHANNEL)};")
            inside.add(src)
        if isinstance(statement, ChannelMatmul):
            call = "mix_transposed" if statement.transpose else "mix"
            lines.append(f"{call}({statement.matrix}, {source}, {out}__at);")
        else:
            lines.append(f"total({source}, {out}__at);")
        if out in self.fusion.stored:
            lines.append(f"for (long c = 0; c < G; ++c) {self._store(out, _OF_CHANNEL, f'{out}__at[c]')}")
        return lines


def _steps(offset: Offset) -> str:
    """Distance of a neighbour in memory: strides of the leading axes times their steps, plus that along the row."""
    text = ""
    for axis, step in enumerate(offset[:-1]):
        if step:
            times = "" if abs(step) == 1 else f"{abs(step)} * "
            text += f" {'+' if step > 0 else '-'} {times}at.step{axis}()"
    last = offset[-1] if offset else 0
    return text + (f" {'+' if last > 0 else '-'} {abs(last)}" if last else "")


def _indicator(atom: Inside) -> str:
    lead, last = atom.offset[:-1], atom.offset[-1] if atom.offset else 0
    parts = [f"inside__{offset_text(lead)}"] if any(lead) else []
    parts += [f"load(at.inside_column + j{_steps((last,))})"] if last else []
    text = " * ".join(parts) or "R(1.0)"
    text = text if last else f"broadcast({text})"
    return f"R(1.0) - {text}" if isinstance(atom, Outside) else text
