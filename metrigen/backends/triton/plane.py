"""A ``Map`` as a Triton function of whole planes that live in registers.

A plane of sites is one flat tile, padded to a power of two. Its neighbours come from one gather per array, whose
index holds every offset at once; outside the lattice the index is -1 and the value zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import sympy as sp

from metrigen.backends.triton.dialect import TRITON
from metrigen.ir.nodes import Inside, Kind, Load, Map, Offset, Outside, Program
from metrigen.ir.queries import maps_in

Offsets = tuple[Offset, ...]


@dataclass(frozen=True)
class Neighbours:
    """The index tiles of a package: ``neighbour__k`` reads the offsets ``sets[k]``; ``inside`` are its indicators."""

    sets: tuple[Offsets, ...]
    inside: tuple[Inside, ...]
    rank: int
    periodic: bool

    def name(self, offsets: Offsets) -> str:
        return f"neighbour__{self.sets.index(offsets)}"

    def lines(self, needed: Iterable[str]) -> list[str]:
        """Index tiles and indicators named in ``needed``, from the coordinates ``i0__``, ``i1__``, ..."""
        wanted = set(needed)
        out: list[str] = []
        sets = [(k, s) for k, s in enumerate(self.sets) if f"neighbour__{k}" in wanted]
        marks = [mark for mark in self.inside if mark.name in wanted]
        for k, offsets in sets:
            padded = [self._index(o) for o in offsets] + ["at__"] * (width(offsets) - len(offsets))
            out.append(f"# {', '.join(str(o) for o in offsets)}")
            text = packed(padded)
            out.append(f"neighbour__{k} = tl.reshape({text}, [{len(padded)} * TILE__])" if len(padded) > 1 else
                       f"neighbour__{k} = {text}")  # fmt: skip
        for mark in marks:
            complement = "1.0 - " if isinstance(mark, Outside) else ""
            out.append(f"{mark.name} = {complement}({self._within(mark.offset)}).to(ACC)")
        return [*coordinates(self.rank, out), *out]

    def _index(self, offset: Offset) -> str:
        outside = "at__" if self.periodic else "-1"
        return f"tl.where({self._within(offset)}, {site_index(offset, self.periodic)}, {outside})"

    def _within(self, offset: Offset) -> str:
        """Whether n + offset is a site, for the sites of the plane."""
        masks = ["ok__"]
        for axis, step in enumerate(offset):
            if step and not self.periodic:
                index = moved(axis, step, False)
                masks += [f"({index} >= 0)", f"({index} < N{axis}__)"]
        return " & ".join(masks)


def coordinates(rank: int, lines: Sequence[str]) -> list[str]:
    """The coordinates ``i0__``, ``i1__``, ... of the sites ``at__`` of a plane, those that ``lines`` read."""
    found: list[str] = []
    for axis in range(rank):
        inner = strides(axis, rank)
        quotient = f"at__ // {inner}" if inner else "at__"
        if any(f"i{axis}__" in line for line in lines):
            found.append(f"i{axis}__ = {quotient}" if axis == 0 else f"i{axis}__ = {quotient} % N{axis}__")
    return found


def strides(axis: int, rank: int) -> str:
    """How many sites lie between two that are neighbours on an axis, as a factor; empty for one."""
    inner = " * ".join(f"N{k}__" for k in range(axis + 1, rank))
    return f"({inner})" if "*" in inner else inner


def moved(axis: int, step: int, periodic: bool) -> str:
    """The coordinate on an axis ``step`` sites on."""
    around = f" + {abs(step)} * N{axis}__" if abs(step) > 1 else f" + N{axis}__"
    index = f"i{axis}__{around if periodic else ''} {'-' if step < 0 else '+'} {abs(step)}"
    return f"({index}) % N{axis}__" if periodic else index


def site_index(offset: Offset, periodic: bool) -> str:
    """The index in its plane of the site n + ``offset``."""
    terms = []
    for axis, step in enumerate(offset):
        stride = strides(axis, len(offset))
        index = f"({moved(axis, step, periodic)})" if step else f"i{axis}__"
        terms.append(f"{index} * {stride}" if stride else index)
    return " + ".join(terms)


def width(offsets: Offsets) -> int:
    """Offsets of one gather, padded to a power of two."""
    return 1 << (len(offsets) - 1).bit_length()


def packed(names: list[str]) -> str:
    """A tree of joins; ``unpacked`` takes it apart in the same order."""
    if len(names) == 1:
        return names[0]
    half = len(names) // 2
    return f"tl.join({packed(names[:half])}, {packed(names[half:])})"


def read_helper(count: int, periodic: bool) -> dict[str, object]:
    """The lines of ``_read{count}``: one gather, taken apart into its offsets."""
    clamped = "tl.where(neighbour < 0, 0.0, tl.gather(plane, tl.maximum(neighbour, 0), 0))"
    found = "tl.gather(plane, neighbour, 0)" if periodic else clamped
    if count == 1:
        return {"count": 1, "lines": [f"return {found}"]}
    twos = ", ".join(["2"] * (count.bit_length() - 1))
    lines = [f"found = tl.reshape({found}, [TILE__, {twos}])"]
    level = ["found"]
    while len(level) < count:
        stem = "at" if 2 * len(level) == count else f"half{len(level)}_"
        halves = [f"{stem}{k}" for k in range(2 * len(level))]
        lines += [f"{halves[2 * k]}, {halves[2 * k + 1]} = tl.split({name})" for k, name in enumerate(level)]
        level = halves
    return {"count": count, "lines": [*lines, f"return {', '.join(level)}"]}


@dataclass(frozen=True)
class PlaneFunction:
    """A ``Map`` at the sites of one plane: what it reads, by kind, its lines and the tiles that it returns."""

    name: str
    sites: tuple[str, ...]
    insides: tuple[str, ...]
    channels: tuple[str, ...]
    scalars: tuple[str, ...]
    index_tiles: tuple[str, ...]
    constants: tuple[str, ...]
    lines: tuple[str, ...]
    results: tuple[str, ...]

    @property
    def parameters(self) -> tuple[str, ...]:
        return (*self.sites, *self.insides, *self.channels, *self.scalars, *self.index_tiles)

    @property
    def signature(self) -> tuple[str, ...]:
        """The parameters as the function declares them."""
        return (*self.parameters, *(f"{p}: tl.constexpr" for p in self.constants))

    def call(self, rename: Mapping[str, str] | None = None) -> str:
        """The call for one plane; ``rename`` of site arrays."""
        names = rename or {}
        given = [names.get(n, n) for n in self.sites]
        return f"{self.name}({', '.join([*given, *self.parameters[len(given) :], *self.constants])})"

    def call_in_group(self, memory: Mapping[str, str]) -> str:
        """The call for plane ``c__`` of a group. Coefficients, and site arrays whose address is in ``memory``, are
        read from the cache where they are used: held in registers they would fill them."""
        given = [f"_load_plane({memory[n]} + c__ * N__, ok__, ACC)" if n in memory else f"{n}[c__]" for n in self.sites]
        given += self.insides
        given += [f"_coefficient({n}_ptr, first__ + c__, ACC)" for n in self.channels]
        given += [*self.scalars, *self.index_tiles, *self.constants]
        return f"{self.name}({', '.join(given)})"


def reads_of(statement: Map) -> dict[str, Offsets]:
    """Site array -> the offsets other than the site itself at which a ``Map`` reads it, in order."""
    found: dict[str, set[Offset]] = {}
    for load in (a for e in statement.expressions for a in e.free_symbols if isinstance(a, Load)):
        found.setdefault(load.array, set()).update({load.offset} if any(load.offset) else ())
    return {array: tuple(sorted(offsets)) for array, offsets in sorted(found.items())}


def inlined(statement: Map) -> Map:
    """The ``Map`` with numbers written where they are used: Triton makes float32 of a number that gets a name."""
    numbers: dict[sp.Basic, sp.Basic] = {}
    lets = []
    for symbol, expr in statement.lets:
        expr = expr.xreplace(numbers)
        if expr.free_symbols:
            lets.append((symbol, expr))
        else:
            numbers[symbol] = expr
    if not numbers:
        return statement
    return replace(statement, lets=tuple(lets)).with_expressions(lambda e: e.xreplace(numbers))


def neighbours_of(programs: Iterable[Program], rank: int, periodic: bool) -> Neighbours:
    """Every set of offsets and every indicator that the programs use."""
    sets: set[Offsets] = set()
    marks: set[Inside] = set()
    for program in programs:
        for statement in maps_in(program, "neighbours_of"):
            sets |= {offsets for offsets in reads_of(statement).values() if offsets}
            marks |= {a for e in statement.expressions for a in e.free_symbols if isinstance(a, Inside)}
    order: Callable[[Offsets], tuple[int, Offsets]] = lambda s: (len(s), s)
    return Neighbours(tuple(sorted(sets, key=order)), tuple(sorted(marks, key=lambda m: m.name)), rank, periodic)


def plane_function(statement: Map, name: str, kinds: Mapping[str, Kind], neighbours: Neighbours) -> PlaneFunction:
    """The function of a ``Map``; a sum is returned as the tile that is to be summed."""
    statement = inlined(statement)
    atoms = sorted({a for e in statement.expressions for a in e.free_symbols}, key=lambda a: a.name)
    own = {symbol for symbol, _ in statement.lets}
    plain = [a for a in atoms if not isinstance(a, (Load, Inside)) and a not in own]
    reads = reads_of(statement)
    tiles = {a for a in atoms if isinstance(a, (Load, Inside))}
    lines: list[str] = []
    index_tiles: list[str] = []
    for array, offsets in reads.items():
        if not offsets:
            continue
        index = neighbours.name(offsets)
        index_tiles += [index] if index not in index_tiles else []
        got = [Load(array, o).name for o in offsets] + ["_"] * (width(offsets) - len(offsets))
        lines.append(f"{', '.join(got)} = _read{width(offsets)}({array}, {index}, TILE__)")
    for symbol, expr in statement.lets:
        tiles |= {symbol} if expr.free_symbols & tiles else set()
        lines.append(f"{symbol.name} = {TRITON.print(expr)}")
    flat = False
    for out, expr in (*statement.stores, *((n, e) for n, _, e in statement.sums)):
        text = TRITON.print(expr)
        if not expr.free_symbols & tiles:
            flat, text = True, f"tl.zeros([TILE__], ACC) + ({text})"
        if text != out:
            lines.append(f"{out} = {text}")
    constants = (["TILE__"] if index_tiles or flat else []) + (["ACC"] if flat else [])
    return PlaneFunction(
        name=name,
        sites=tuple(reads),
        insides=tuple(a.name for a in atoms if isinstance(a, Inside)),
        channels=tuple(a.name for a in plain if kinds[a.name] is Kind.CHANNEL),
        scalars=tuple(a.name for a in plain if kinds[a.name] is Kind.SCALAR),
        index_tiles=tuple(index_tiles),
        constants=tuple(constants),
        lines=tuple(lines),
        results=(*(n for n, _ in statement.stores), *(n for n, _, _ in statement.sums)),
    )


def plane_functions(program: Program, name: str, neighbours: Neighbours) -> tuple[PlaneFunction, ...]:
    """One function for each ``Map`` of a program, in order."""
    kinds = program.kinds()
    maps = maps_in(program, "the Triton printer of planes")
    return tuple(plane_function(s, f"_{name}_{k}", kinds, neighbours) for k, s in enumerate(maps))
