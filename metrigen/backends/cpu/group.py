"""Programs that share their coefficients, as one namespace of ``kernels.cpp``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from metrigen.backends.cpu.printer import Function, Routine, summed
from metrigen.emit.render import render
from metrigen.ir.nodes import Array, Kind, Program
from metrigen.layers.docs import Docs, comment, part
from metrigen.passes.partition import Partition, neighbour_reads, partition
from metrigen.passes.pipeline import OWNED, Passes, apply, optimised_groups
from metrigen.programs import Done, passed, passes_of

# What lies along the vectors of a system of ODEs at a point: the numbers of all samples and channels where no channel
# meets another, else the samples; neither elsewhere.
Points = Literal["", "numbers", "samples"]


@dataclass(frozen=True)
class Group:
    """Programs that share their coefficients: one namespace of ``kernels.cpp``.

    fixed    arrays that come with the tile; ``imported`` are those of its site arrays that are read at neighbours
    sums     parameters whose cotangents are summed, and ``further`` numbers
    docs     what the programs compute
    on_request  parameters that are summed where a call asks for it
    apart    numbers for all of which a lane may have its own, where lanes are those of samples
    """

    name: str
    fixed: tuple[Array, ...]
    imported: frozenset[str]
    programs: Mapping[str, Program]
    partitions: Mapping[str, Partition]
    further: tuple[Array, ...] = ()
    docs: Docs = field(default_factory=dict)
    on_request: frozenset[str] = frozenset()
    apart: frozenset[str] = frozenset()

    def documented(self, routine: Routine) -> list[Function]:
        """The functions of a routine, its fusion groups first, with what they say of themselves."""
        name, count = routine.body.name, len(routine.fusions)
        parts = [replace(f, doc=comment(part(name, k, count, (f.doc,)))) for k, f in enumerate(routine.fusions)]
        own = [self.docs[name]] if name in self.docs else []
        return [*parts, replace(routine.body, doc="\n// ".join(map(comment, (*own, (routine.body.doc,)))))]

    @property
    def sums(self) -> tuple[Array, ...]:
        wanted = {summed(t) for c in self.partitions.values() for t in c.totals if t.terms}
        return tuple(a for a in (*self.fixed, *self.further) if a.name in wanted)

    @property
    def driven(self) -> list[int]:
        """Places, among what is fixed, of what has a value for every step."""
        return [i for i, a in enumerate(self.fixed) if a.driven]

    @property
    def site_driven(self) -> list[bool]:
        """Of each of the fixed fields whether it has a value for every step."""
        return [a.driven for a in self.fixed if a.kind is Kind.SITE]

    @property
    def site_noise(self) -> list[int]:
        """Of each of the fixed fields that is standard normal numbers its place among ``driven``, -1 of others."""
        places = [self.driven.index(i) if a.noise else -1 for i, a in enumerate(self.fixed)]
        return [place for place, a in zip(places, self.fixed, strict=True) if a.kind is Kind.SITE]

    @property
    def layout_base(self) -> frozenset[str]:
        """Given site arrays that lie in memory as in their tensors."""
        return frozenset(a.name for a in self.fixed if a.kind is Kind.SITE and a.name not in self.imported)


def group(
    name: str,
    fixed: Sequence[Array],
    programs: Mapping[str, Program],
    docs: Docs,
    further: tuple[Array, ...] = (),
    done: Done | None = None,
) -> Group | None:
    """Optimise and cut the programs; None where one of them holds what a fusion group cannot do. ``done`` are those
    that the passes have seen already."""
    known = dict(done or {})
    optimised = {n: _optimised(n, apply(OWNED, p), known) for n, p in programs.items()}
    partitions = {n: partition(p) for n, p in optimised.items()}
    found = {n: optimised_groups(c) for n, c in partitions.items() if c is not None}
    if len(found) < len(partitions):
        return None
    neighbours = {n for p in optimised.values() for n in neighbour_reads(p.body)}
    return Group(name, tuple(fixed), frozenset(a.name for a in fixed if a.kind is Kind.SITE and a.name in neighbours),
                 optimised, found, further, docs)  # fmt: skip


def _optimised(name: str, program: Program, known: dict[tuple[Passes, Program], Program]) -> Program:
    """The program after the passes, by which it goes once under any name."""
    key = passes_of(name), replace(program, name="")
    if key not in known:
        known[key] = passed(program, key[0])
    return replace(known[key], name=program.name)


@dataclass(frozen=True)
class Printed:
    """A group and its text; ``carried`` counts the fields that go from step to step, ``calls`` are of its programs."""

    group: Group
    text: str
    carried: int = 0
    calls: Mapping[str, str] = field(default_factory=dict)


def printed(
    group: Group,
    routines: Mapping[str, Routine],
    template: str,
    *,
    carried: int = 0,
    points: Points = "",
    calls: Mapping[str, str],
    **context: object,
) -> Printed:
    """The namespace of a group, its entries from ``template``; those of ``points`` have their entries elsewhere."""
    noise = [a.name for a in group.fixed if a.noise]
    imports = len(group.imported) + (0 if points else len(noise))  # planes of a tile, of its own
    shared = {"group": group, "imports": imports, "sums": bool(group.sums), "points": points}
    shared |= {"site_fixed_driven": group.site_driven, "site_noise": group.site_noise}
    buffers = max(r.buffers for r in routines.values())
    entries = render(template, **shared, buffers=buffers, carried=carried, calls=calls, **context)
    text = render(
        "kernels_group.cpp.j2", name=group.name,
        given=[_member(group, i, bool(points)) for i in range(len(group.fixed))],
        frames=[_frame(group, i, k, bool(points)) for k, i in enumerate(group.driven)],
        imports=imports, noise=bool(noise),
        sums=[{"name": a.name, "size": sum_size(a, points)} for a in group.sums],
        functions=[f for r in routines.values() for f in group.documented(r)], entries=entries.rstrip("\n"),
        points=points,
    )  # fmt: skip
    return Printed(group, text, carried, calls)


def sum_size(array: Array, points: Points) -> str:
    """How many numbers a tile sums up for an array, in C++."""
    if points == "numbers":
        return "W"
    if array.kind is Kind.UNITS:
        return f"G * {array.units[0] * array.units[1]}"
    return "G * G" if array.kind is Kind.MATRIX else "G"


def _frame(group: Group, index: int, place: int, points: bool) -> dict[str, str]:
    """How what has a value for every step is taken for one of them, from frame to frame."""
    array = group.fixed[index]
    if points:
        row = f"values__[{index}]"
        return {"from": "", "line": f"{array.name} = {'*' * (array.kind is Kind.SCALAR)}{row};"}
    if array.kind is Kind.SCALAR:
        return {"from": f"arrays[{index}]", "line": f"{array.name} = frames[{place}][number__];"}
    start = f"arrays[{index}] + (sample * channels + first) * layout[{2 * place}]"
    now = f"frames[{place}] + number__ * layout[{2 * place + 1}]"
    if array.noise:
        start = f"noise__numbers::frames(arrays[{index}], sample * channels + first, layout + {2 * place})"
        room = len(group.imported) + [a.name for a in group.fixed if a.noise].index(array.name)
        now = f"noise__numbers::frame(at, frames[{place}], number__, layout + {2 * place}, rooms__ + {room} * at.block)"
    taken = f"import_planes(at, {now}, {array.name});" if array.name in group.imported else f"{array.name} = {now};"
    return {"from": start, "line": taken}


def _member(group: Group, index: int, points: bool) -> dict[str, str]:
    array = group.fixed[index]
    name, at = array.name, f"arrays[{index}]"
    start = f"{at} + (sample * channels + first) * at.dense"
    if array.kind is Kind.MATRIX:
        return {
            "declaration": f"R {name}[G * G]",
            "initial": "",
            "line": f"import_matrix({at}, channels, first, {name});",
        }
    if array.kind is Kind.UNITS:
        ahead = "" if points else f" + first * {array.units[0] * array.units[1]}"
        return {"declaration": f"const R* {name}", "initial": f"{name}({at}{ahead})", "line": ""}
    if array.kind is Kind.SCALAR and name in group.apart:
        return {"declaration": f"Own {name}", "initial": f"{name}(own__({at}))", "line": ""}
    if array.kind is Kind.SCALAR:
        return {"declaration": f"R {name}", "initial": f"{name}(*{at})", "line": ""}
    if array.kind is Kind.CHANNEL:
        return {"declaration": f"const R* {name}", "initial": f"{name}({at} + first)", "line": ""}
    if array.noise and name not in group.imported and not points:
        return {"declaration": f"const R* {name}", "initial": "", "line": ""}
    if name not in group.imported:
        return {"declaration": f"const R* {name}", "initial": f"{name}({start})", "line": ""}
    k = sorted(group.imported).index(name)
    return {"declaration": f"R* {name}", "initial": f"{name}(work + {k} * at.block)",
            "line": "" if array.noise else f"import_planes(at, {start}, {name});"}  # fmt: skip
