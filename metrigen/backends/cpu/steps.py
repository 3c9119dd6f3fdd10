"""The steps of an integrator and their adjoint on the CPU: ``evolve`` and ``evolve_adjoint`` of ``kernels.cpp``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from metrigen.backends.cpu.group import Group, Points, Printed, group, printed
from metrigen.backends.cpu.printer import Layout, Routine, call, print_routine
from metrigen.ir.nodes import Kind, Load, Map
from metrigen.ir.queries import solves_in
from metrigen.layers.docs import field_docs
from metrigen.passes.collect import collect_coefficients
from metrigen.passes.partition import FusionGroup, neighbour_reads
from metrigen.passes.rotate import Loop, rotate
from metrigen.passes.vary import bar, vary
from metrigen.programs import Done, Lowered, TimeStep


def step_group(lowered: Lowered, points: Points, done: Done) -> Printed | None:
    """``evolve`` and ``evolve_adjoint``."""
    evolution = lowered.step
    body = evolution.body
    state = [a.name for a in body.inputs[: len(lowered.dynamics.state)]]
    loop = rotate(body, state)
    rank = len(lowered.dynamics.origin)
    programs = {p.name: p for p in (loop.head, loop.inner, loop.tail)}
    for p in (loop.head, loop.inner, loop.tail):
        programs[f"{p.name}_adjoint"] = vary(p, [a.name for a in p.inputs], rank=rank, constants=evolution.constants)
    fixed = [a for a in body.inputs if a.name not in state]
    found = group("steps", fixed, programs, field_docs(lowered), done=done)
    if found is None:
        return None
    found = replace(found, on_request=frozenset(evolution.on_request))
    if points == "numbers":  # coefficients are no numbers of a row that could be made once
        return _print_steps(replace(found, apart=_numbers_apart(evolution)), loop, state, rank, points, False)
    partitions = {n: collect_coefficients(c, found.programs[n].kinds()) for n, c in found.partitions.items()}
    apart = bool(evolution.of_samples) and not points
    return _print_steps(replace(found, partitions=partitions), loop, state, rank, points, apart)


@dataclass(frozen=True)
class _Steps:
    """The programs of the steps and of their adjoints, and the names of what goes from one to the other.

    actual    program of an adjoint -> cotangent of an input -> the output that holds it
    near      program -> arrays that it reads beside the site
    """

    group: Group
    state: list[str]
    carried: list[str]
    actual: dict[str, dict[str, str]]
    neighbours: dict[str, set[str]]

    @classmethod
    def of(cls, group: Group, loop: Loop, state: list[str]) -> _Steps:
        programs = group.programs
        actual = {
            f"{p.name}_adjoint": dict(
                zip((bar(a.name) for a in p.inputs), programs[f"{p.name}_adjoint"].outputs, strict=True)
            )
            for p in (loop.head, loop.inner, loop.tail)
        }
        neighbours = {n: neighbour_reads(p.body) for n, p in programs.items()}
        return cls(group, state, [a.name for a in loop.carried], actual, neighbours)

    @property
    def site_fixed(self) -> list[str]:
        return [a.name for a in self.group.fixed if a.kind is Kind.SITE]

    @property
    def cotangents(self) -> list[str]:
        """Those of the state at the end."""
        return [bar(n) for n in self.outputs("tail")]

    @property
    def imported(self) -> list[str]:
        """Cotangents of the end that are read beside the site."""
        return [n for n in self.cotangents if n in self.neighbours["tail_adjoint"]]

    def outputs(self, name: str) -> tuple[str, ...]:
        return self.group.programs[name].outputs

    def dense(self) -> dict[str, set[str]]:
        """Arrays without margins."""
        head = {*self.state, *(self.actual["head_adjoint"][bar(n)] for n in self.state)}
        return {
            "head": {*self.state}, "inner": set(), "tail": {*self.outputs("tail")}, "inner_adjoint": set(),
            "tail_adjoint": {*self.cotangents} - {*self.imported}, "head_adjoint": head,
        }  # fmt: skip

    def filled(self) -> dict[str, set[str]]:
        """Arrays whose margins are written: somebody reads them beside the site."""
        neighbours, carried = self.neighbours, self.carried
        read = set().union(*(neighbours[p] for p in ("inner", "tail", "inner_adjoint", "tail_adjoint")))
        pulled = neighbours["inner_adjoint"] | neighbours["head_adjoint"]
        pairs = zip(self.outputs("inner"), self.outputs("head"), strict=True)
        need = [i for i, pair in enumerate(pairs) if {*map(bar, pair)} & pulled]
        ahead = {
            n: [out for out, into in zip(self.outputs(n), carried, strict=True) if into in read]
            for n in ("head", "inner")
        }
        back = {n: [self.actual[n][bar(carried[i])] for i in need] for n in ("inner_adjoint", "tail_adjoint")}
        return {n: {*names} for n, names in (ahead | back).items()}

    def calls(self, routines: Mapping[str, Routine]) -> dict[str, str]:
        """The calls of the routines, with the places of their arrays."""
        given, now = _places(self.state, "state[{}]"), _places(self.carried, "now[{}]")
        flowed = {n: _places([bar(x) for x in self.outputs(n)], "flow[{}]") for n in ("inner", "head")}
        ends = _places(self.outputs("tail"), "out[{}]")
        arrays = {
            "head": (given, _places(self.outputs("head"), "now[{}]")),
            "inner": (now, _places(self.outputs("inner"), "next[{}]")),
            "tail": (now, ends),
            "tail_adjoint": (now | _places(self.cotangents, "cotangents[{}]"), self._back("tail_adjoint")),
            "inner_adjoint": (now | flowed["inner"], self._back("inner_adjoint")),
            "head_adjoint": (given | flowed["head"], self._back("head_adjoint")),
        }
        return {n: call(routines[n], read, written) for n, (read, written) in arrays.items()}

    def _back(self, name: str) -> dict[str, str]:
        """Places of what an adjoint writes: the cotangents of its arrays, then those of the fixed fields it reads."""
        own = (self.state, "out[{}]") if name == "head_adjoint" else (self.carried, "back[{}]")
        into = _places([bar(n) for n in own[0]], own[1])
        into |= _places([bar(n) for n in self.site_fixed], "bars[{}]")
        return {self.actual[name][n]: place for n, place in into.items() if n in self.actual[name]}


def _places(names: Sequence[str], text: str) -> dict[str, str]:
    return {n: text.format(i) for i, n in enumerate(names)}


def _print_steps(group: Group, loop: Loop, state: list[str], rank: int, points: Points, apart: bool) -> Printed:
    steps, fixed = _Steps.of(group, loop, state), frozenset(a.name for a in group.fixed)
    dense, filled = steps.dense(), steps.filled()
    routines = {
        n: print_routine(
            n, p, group.partitions[n],
            Layout(
                group.layout_base | dense[n], fixed, frozenset(filled.get(n, ())), flat=points == "numbers",
                on_request=group.on_request, apart=group.apart,
            ),
        )
        for n, p in group.programs.items()
    }  # fmt: skip
    touched = {
        n: [i for i, s in enumerate(steps.site_fixed) if bar(s) in steps.actual[n]]
        for n in ("tail_adjoint", "inner_adjoint", "head_adjoint")
    }
    return printed(
        group, routines, "kernels_steps.cpp.j2", calls=steps.calls(routines), state=state, carried=len(steps.carried),
        site_fixed=steps.site_fixed, touched=touched, overlapped=rank == 2 and not solves_in(group.programs["inner"]),
        imported=[steps.cotangents.index(n) for n in steps.imported], points=points, apart=apart,
    )  # fmt: skip


def _numbers_apart(evolution: TimeStep) -> frozenset[str]:
    """Numbers for all, of which every sample may have its own."""
    return frozenset(a.name for a in evolution.body.inputs if a.name in evolution.of_samples and a.kind is Kind.SCALAR)


def stencil_radius(group: Group) -> int:
    """How many sites a step can carry a value along an axis: the sum over its fusion groups of the widest read."""
    return sum(_widest(part) for part in group.partitions["inner"].parts if isinstance(part, FusionGroup))


def _widest(fusion: FusionGroup) -> int:
    maps = [s for s in fusion.statements if isinstance(s, Map)]
    offsets = (load.offset for s in maps for e in s.expressions for load in e.atoms(Load))
    return max((abs(o) for offset in offsets for o in offset), default=0)
