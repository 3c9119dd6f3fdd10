"""The text of ``kernels.cpp``: the routines of a package and the entries that run them over all units."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from metrigen.backends.cpu import Layout, Routine, call, print_routine
from metrigen.emit.render import render
from metrigen.ir.nodes import Array, Inside, Kind, Leaf, Map, Mix, Program, Total
from metrigen.passes.channels import merge_channel_maps
from metrigen.passes.rotate import Loop, own_outputs, rotate
from metrigen.passes.sweeps import Cut, cut, near_reads
from metrigen.passes.vary import bar, vary
from metrigen.physics.derivation import Derivation
from metrigen.programs import Lowered, optimise
from metrigen.spec.symbols import Param


@dataclass(frozen=True)
class Group:
    """Programs that share their coefficients: one namespace of ``kernels.cpp``.

    fixed    arrays that come with the unit; ``imported`` are those of its site arrays that are read at neighbours
    sums     parameters whose cotangents are summed
    """

    name: str
    fixed: tuple[Array, ...]
    imported: frozenset[str]
    programs: Mapping[str, Program]
    cuts: Mapping[str, Cut]

    @property
    def sums(self) -> tuple[Array, ...]:
        wanted = {t.out.removesuffix("__bar") for c in self.cuts.values() for t in c.totals}
        return tuple(a for a in self.fixed if a.name in wanted)

    @property
    def layout_base(self) -> frozenset[str]:
        """Given site arrays that lie in memory as in their tensors."""
        return frozenset(a.name for a in self.fixed if a.kind is Kind.SITE and a.name not in self.imported)


def group(name: str, fixed: Sequence[Array], programs: Mapping[str, Program]) -> Group | None:
    """Optimise and cut the programs; None where one of them holds what a sweep cannot do."""
    optimised = {n: optimise(merge_channel_maps(own_outputs(p)))[0] for n, p in programs.items()}
    cuts = {n: cut(p) for n, p in optimised.items()}
    found = {n: c for n, c in cuts.items() if c is not None}
    if len(found) < len(cuts):
        return None
    near = {n for p in optimised.values() for n in near_reads(p.body)}
    return Group(name, tuple(fixed), frozenset(a.name for a in fixed if a.kind is Kind.SITE and a.name in near),
                 optimised, found)  # fmt: skip


@dataclass(frozen=True)
class Printed:
    """A group and its text."""

    group: Group
    text: str


def printed(group: Group, routines: Mapping[str, Routine], template: str, **context: object) -> Printed:
    """The namespace of a group, its entries from ``template``."""
    shared = {"group": group, "imports": len(group.imported), "sums": bool(group.sums)}
    buffers = max(r.buffers for r in routines.values())
    entries = render(template, **shared, buffers=buffers, **context)
    text = render(
        "kernels_group.cpp.j2", name=group.name, given=[_member(group, i) for i in range(len(group.fixed))],
        imports=len(group.imported), sums=[{"name": a.name, "matrix": a.kind is Kind.MATRIX} for a in group.sums],
        functions=[f for r in routines.values() for f in (*r.sweeps, r.body)], entries=entries.rstrip("\n"),
    )  # fmt: skip
    return Printed(group, text)


def _member(group: Group, index: int) -> dict[str, str]:
    array = group.fixed[index]
    name, at = array.name, f"arrays[{index}]"
    unit = f"{at} + (sample * channels + first) * at.dense"
    if array.kind is Kind.MATRIX:
        return {
            "declaration": f"R {name}[G * G]",
            "initial": "",
            "line": f"import_matrix({at}, channels, first, {name});",
        }
    if array.kind is Kind.SCALAR:
        return {"declaration": f"R {name}", "initial": f"{name}(*{at})", "line": ""}
    if array.kind is Kind.CHANNEL:
        return {"declaration": f"const R* {name}", "initial": f"{name}({at} + first)", "line": ""}
    if name not in group.imported:
        return {"declaration": f"const R* {name}", "initial": f"{name}({unit})", "line": ""}
    k = sorted(group.imported).index(name)
    return {"declaration": f"R* {name}", "initial": f"{name}(work + {k} * at.block)",
            "line": f"import_planes(at, {unit}, {name});"}  # fmt: skip


@dataclass(frozen=True)
class CpuKernels:
    """What the CPU files of a package are made from.

    groups  text of the namespaces of ``kernels.cpp``; ``halo`` sites around a plane by axis
    block   channels of a unit: 1 where none are coupled, the common block of all channel matrices, or None for all
    fixed, given  (name, kind) of what the steps and the readout are handed; sums of them those that are summed
    """

    groups: tuple[str, ...]
    halo: tuple[int, ...]
    periodic: bool
    indicators: bool
    coupled: bool
    block: int | None
    fixed: tuple[Array, ...]
    given: tuple[Array, ...]
    sums: tuple[Array, ...]
    readout_sums: tuple[Array, ...]
    components: int

    def source(self, header: str, title: str) -> str:
        """The text of ``kernels.cpp``."""
        used = set(re.findall(r"\b([a-z0-9]+_)\(", "\n".join(self.groups)))
        return render(
            "kernels.cpp.j2", header=header.rstrip("\n"), title=title, rank=len(self.halo), halo=list(self.halo),
            periodic=self.periodic, used=used, functions=[f for f in _UNARY if f"{f}_" in used],
            indicators=self.indicators, coupled=self.coupled, groups=self.groups,
        )  # fmt: skip

    def loader(self, header: str, title: str, name: str) -> str:
        """The text of ``cpu.py``."""
        return render(
            "cpu.py.j2", header=header.rstrip("\n"), title=title, name=name, block=self.block, rank=len(self.halo),
            stepping=bool(self.fixed), fixed=_kinds(self.fixed), given=_kinds(self.given), sums=_kinds(self.sums),
            readout_sums=_kinds(self.readout_sums), components=self.components,
        )  # fmt: skip


def _kinds(arrays: Sequence[Array]) -> str:
    return repr(tuple((a.name, a.kind.name.lower()) for a in arrays))


_UNARY = ("sqrt", "exp", "log", "sin", "cos", "tan", "tanh", "sinh", "cosh", "asinh", "atan", "asin", "acos")


def cpu_kernels(derivation: Derivation, lowered: Lowered) -> CpuKernels | None:
    """The CPU kernels of a package; None where a program does not fit the sweeps of the CPU."""
    reading = readout_group(lowered)
    stepping = step_group(lowered) if lowered.body is not None else None
    if reading is None or (stepping is None and lowered.body is not None):
        return None
    groups = [g for g in (reading, stepping) if g is not None]
    programs = _all_programs(lowered)
    atoms = [a for p in programs for s in p.body if isinstance(s, Map) for e in s.expressions
             for a in e.atoms(Leaf, Inside)]  # fmt: skip
    rank = len(lowered.dynamics.origin)
    return CpuKernels(
        groups=tuple(g.text for g in groups),
        halo=tuple(max((abs(a.offset[axis]) for a in atoms), default=0) for axis in range(rank)),
        periodic=lowered.dynamics.lowering.periodic,
        indicators=any(isinstance(a, Inside) for a in atoms),
        coupled=_is_coupled(programs),
        block=_block(derivation, programs),
        fixed=stepping.group.fixed if stepping else (),
        given=reading.group.fixed,
        sums=stepping.group.sums if stepping else (),
        readout_sums=reading.group.sums,
        components=len(lowered.readout.outputs),
    )


def _is_coupled(programs: Sequence[Program]) -> bool:
    return any(isinstance(s, (Mix, Total)) for p in programs for s in p.body)


def _block(derivation: Derivation, programs: Sequence[Program]) -> int | None:
    if not _is_coupled(programs):
        return 1
    if any(isinstance(s, Total) for p in programs for s in p.body):
        return None
    forms = [derivation.hamiltonian, *(b.form for b in (derivation.bracket, derivation.metric) if b is not None)]
    blocks = {s.block for e in forms for s in e.free_symbols if isinstance(s, Param) and s.is_matrix}
    return blocks.pop() if len(blocks) == 1 else None


def _all_programs(lowered: Lowered) -> list[Program]:
    steady = [lowered.steady.operator, lowered.steady.adjoint] if lowered.steady else []
    steps = [lowered.body, lowered.body_adjoint]
    return [p for p in (lowered.readout, lowered.readout_adjoint, *steps, *steady) if p is not None]


def step_group(lowered: Lowered) -> Printed | None:
    """``evolve`` and ``evolve_adjoint``."""
    body = lowered.body
    assert body is not None
    state = [a.name for a in lowered.dynamics.state]
    loop = rotate(body, state)
    rank = len(lowered.dynamics.origin)
    programs = {p.name: p for p in (loop.head, loop.inner, loop.tail)}
    for p in (loop.head, loop.inner, loop.tail):
        programs[f"{p.name}_adjoint"] = vary(p, [a.name for a in p.inputs], rank=rank)
    fixed = [a for a in body.inputs if a.name not in state]
    found = group("steps", fixed, programs)
    if found is None:
        return None
    return _print_steps(found, loop, state)


def _print_steps(group: Group, loop: Loop, state: list[str]) -> Printed:
    programs = group.programs
    outputs = list(programs["tail"].outputs)
    actual = {
        f"{p.name}_adjoint": dict(
            zip((bar(a.name) for a in p.inputs), programs[f"{p.name}_adjoint"].outputs, strict=True)
        )
        for p in (loop.head, loop.inner, loop.tail)
    }
    carried = [a.name for a in loop.carried]
    near = {n: near_reads(p.body) for n, p in programs.items()}
    site_fixed = [a.name for a in group.fixed if a.kind is Kind.SITE]
    read = set().union(*(near[p] for p in ("inner", "tail", "inner_adjoint", "tail_adjoint")))
    flowed = [bar(n) for n in programs["inner"].outputs]
    pulled = near["inner_adjoint"] | near["head_adjoint"]
    started = [bar(n) for n in programs["head"].outputs]
    need = {i for i, (a, b) in enumerate(zip(flowed, started, strict=True)) if {a, b} & pulled}
    cotangents = [bar(n) for n in outputs]
    imported = [n for n in cotangents if n in near["tail_adjoint"]]
    dense = {
        "head": {*state}, "inner": set(), "tail": {*outputs}, "inner_adjoint": set(),
        "tail_adjoint": {*cotangents} - {*imported}, "head_adjoint": {*state, *(actual["head_adjoint"][bar(n)] for n in state)},
    }  # fmt: skip
    ahead = dict(zip(programs["inner"].outputs, carried, strict=True)) | dict(
        zip(programs["head"].outputs, carried, strict=True)
    )
    filled = {
        "head": {n for n in programs["head"].outputs if ahead[n] in read},
        "inner": {n for n in programs["inner"].outputs if ahead[n] in read},
        "inner_adjoint": {actual["inner_adjoint"][bar(carried[i])] for i in need},
        "tail_adjoint": {actual["tail_adjoint"][bar(carried[i])] for i in need},
    }  # fmt: skip
    routines = {
        n: print_routine(
            n, p, group.cuts[n],
            Layout(group.layout_base | dense[n], frozenset(a.name for a in group.fixed), frozenset(filled.get(n, ()))),
        )
        for n, p in programs.items()
    }  # fmt: skip

    def places(names: Sequence[str], text: str) -> dict[str, str]:
        return {n: text.format(i) for i, n in enumerate(names)}

    given = places(state, "state[{}]")
    bars = places([bar(n) for n in site_fixed], "bars[{}]")
    from_outside = places(cotangents, "cotangents[{}]")

    def pulled_back(name: str) -> dict[str, str]:
        """Places of what an adjoint writes: the cotangents of its arrays, then those of the fixed fields it reads."""
        into = dict(zip(map(bar, carried), (f"back[{i}]" for i in range(len(carried))), strict=True)) | bars
        if name == "head_adjoint":
            into = places([bar(n) for n in state], "out[{}]") | bars
        return {actual[name][n]: place for n, place in into.items() if n in actual[name]}

    calls = {
        "head": call(routines["head"], given, places(programs["head"].outputs, "now[{}]"), "work"),
        "inner": call(routines["inner"], places(carried, "now[{}]"), places(programs["inner"].outputs, "next[{}]"), "work"),
        "tail": call(routines["tail"], places(carried, "now[{}]"), places(outputs, "out[{}]"), "work"),
        "tail_adjoint": call(
            routines["tail_adjoint"], places(carried, "now[{}]") | from_outside,
            pulled_back("tail_adjoint"), "work",
        ),
        "inner_adjoint": call(
            routines["inner_adjoint"], places(carried, "now[{}]") | places(flowed, "flow[{}]"),
            pulled_back("inner_adjoint"), "work",
        ),
        "head_adjoint": call(
            routines["head_adjoint"], given | places(started, "flow[{}]"),
            pulled_back("head_adjoint"), "work",
        ),
    }  # fmt: skip
    touched = {
        n: [i for i, s in enumerate(site_fixed) if bar(s) in actual[n]]
        for n in ("tail_adjoint", "inner_adjoint", "head_adjoint")
    }
    return printed(
        group, routines, "kernels_steps.cpp.j2", calls=calls, state=state, carried=carried, site_fixed=site_fixed, touched=touched,
        imported=[cotangents.index(n) for n in imported],
    )  # fmt: skip


def readout_group(lowered: Lowered) -> Printed | None:
    """``readout`` and ``readout_adjoint``."""
    forward, back = lowered.readout, lowered.readout_adjoint
    found = group("reading", forward.inputs, {"readout": forward, "readout_adjoint": back})
    if found is None:
        return None
    program, adjoint = found.programs["readout"], found.programs["readout_adjoint"]
    components, grads = list(program.outputs), [bar(n) for n in forward.outputs]
    near = near_reads(adjoint.body)
    sites = [a.name for a in forward.inputs if a.kind is Kind.SITE]
    given = frozenset(a.name for a in found.fixed)
    imported = [n for n in grads if n in near]
    wanted = [n for n in adjoint.outputs if adjoint.kinds()[n] is Kind.SITE]
    routines = {
        "readout": print_routine("readout", program, found.cuts["readout"],
                                 Layout(found.layout_base | {*components}, given, frozenset())),
        "readout_adjoint": print_routine(
            "readout_adjoint", adjoint, found.cuts["readout_adjoint"],
            Layout(found.layout_base | {*grads, *wanted} - {*imported}, given, frozenset()),
        ),
    }  # fmt: skip
    calls = {
        "readout": call(routines["readout"], {}, {n: f"out[{i}]" for i, n in enumerate(components)}, "work"),
        "readout_adjoint": call(
            routines["readout_adjoint"], {n: f"grads[{i}]" for i, n in enumerate(grads)},
            {n: f"out[{i}]" for i, n in enumerate(wanted)}, "work",
        ),
    }  # fmt: skip
    return printed(
        found, routines, "kernels_reading.cpp.j2", calls=calls, components=len(components), sites=sites,
        imported=[grads.index(n) for n in imported],
    )  # fmt: skip
