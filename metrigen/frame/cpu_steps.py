"""The steps of an integrator and their adjoint on the CPU: ``evolve`` and ``evolve_adjoint`` of ``kernels.cpp``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from metrigen.backends.cpu import Layout, call, print_routine
from metrigen.frame.cpu_group import Group, Points, Printed, group, printed
from metrigen.ir.nodes import Kind, Leaf, Map
from metrigen.passes.collect import collect_coefficients
from metrigen.passes.rotate import Loop, rotate
from metrigen.passes.sweeps import Sweep, near_reads
from metrigen.passes.vary import bar, vary
from metrigen.programs import Lowered


def step_group(lowered: Lowered, points: Points) -> Printed | None:
    """``evolve`` and ``evolve_adjoint``."""
    body = lowered.body
    assert body is not None
    state = [a.name for a in body.inputs[: len(lowered.dynamics.state)]]
    loop = rotate(body, state)
    rank = len(lowered.dynamics.origin)
    programs = {p.name: p for p in (loop.head, loop.inner, loop.tail)}
    for p in (loop.head, loop.inner, loop.tail):
        programs[f"{p.name}_adjoint"] = vary(p, [a.name for a in p.inputs], rank=rank, constants=lowered.constants)
    fixed = [a for a in body.inputs if a.name not in state]
    found = group("steps", fixed, programs)
    if found is None:
        return None
    if points == "numbers":  # coefficients are no numbers of a row that could be made once
        return _print_steps(found, loop, state, rank, points)
    cuts = {n: collect_coefficients(c, found.programs[n].kinds()) for n, c in found.cuts.items()}
    return _print_steps(replace(found, cuts=cuts), loop, state, rank, points)


def _print_steps(group: Group, loop: Loop, state: list[str], rank: int, points: Points) -> Printed:
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
        "tail_adjoint": {*cotangents} - {*imported},
        "head_adjoint": {*state, *(actual["head_adjoint"][bar(n)] for n in state)},
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
            Layout(group.layout_base | dense[n], frozenset(a.name for a in group.fixed), frozenset(filled.get(n, ())),
                   flat=points == "numbers"),
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
        "head": call(routines["head"], given, places(programs["head"].outputs, "now[{}]")),
        "inner": call(
            routines["inner"], places(carried, "now[{}]"), places(programs["inner"].outputs, "next[{}]")
        ),
        "tail": call(routines["tail"], places(carried, "now[{}]"), places(outputs, "out[{}]")),
        "tail_adjoint": call(
            routines["tail_adjoint"], places(carried, "now[{}]") | from_outside,
            pulled_back("tail_adjoint")
        ),
        "inner_adjoint": call(
            routines["inner_adjoint"], places(carried, "now[{}]") | places(flowed, "flow[{}]"),
            pulled_back("inner_adjoint")
        ),
        "head_adjoint": call(
            routines["head_adjoint"], given | places(started, "flow[{}]"),
            pulled_back("head_adjoint")
        ),
    }  # fmt: skip
    touched = {
        n: [i for i, s in enumerate(site_fixed) if bar(s) in actual[n]]
        for n in ("tail_adjoint", "inner_adjoint", "head_adjoint")
    }
    return printed(
        group, routines, "kernels_steps.cpp.j2", calls=calls, state=state, carried=len(carried), site_fixed=site_fixed,
        touched=touched, windows=rank == 2, imported=[cotangents.index(n) for n in imported], points=points,
    )  # fmt: skip


def reach(group: Group) -> int:
    """How many sites a step can carry a value along an axis: the sum over its sweeps of the widest read."""
    return sum(_widest(part) for part in group.cuts["inner"].parts if isinstance(part, Sweep))


def _widest(sweep: Sweep) -> int:
    maps = [s for s in sweep.statements if isinstance(s, Map)]
    offsets = (leaf.offset for s in maps for e in s.expressions for leaf in e.atoms(Leaf))
    return max((abs(o) for offset in offsets for o in offset), default=0)
