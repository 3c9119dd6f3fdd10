"""The readout and its adjoint on the CPU: ``readout`` and ``readout_adjoint`` of ``kernels.cpp``."""

from __future__ import annotations

from dataclasses import replace

from metrigen.backends.cpu.group import Points, Printed, group, printed
from metrigen.backends.cpu.printer import Layout, call, print_routine
from metrigen.ir.nodes import Kind
from metrigen.layers.docs import field_docs
from metrigen.passes.partition import neighbour_reads
from metrigen.passes.vary import bar
from metrigen.programs import Done, Lowered


def readout_group(lowered: Lowered, points: Points, done: Done) -> Printed | None:
    """``readout`` and ``readout_adjoint``."""
    forward, back = lowered.readout, lowered.values["readout_adjoint"]
    given = [replace(a, driven=False) for a in forward.inputs]  # a state is read at one moment
    found = group("reading", given, {"readout": forward, "readout_adjoint": back}, field_docs(lowered), done=done)
    if found is None:
        return None
    program, adjoint = found.programs["readout"], found.programs["readout_adjoint"]
    components, grads = list(program.outputs), [bar(n) for n in forward.outputs]
    neighbours = neighbour_reads(adjoint.body)
    sites = [a.name for a in forward.inputs if a.kind is Kind.SITE]
    names = frozenset(a.name for a in found.fixed)
    imported = [n for n in grads if n in neighbours]
    wanted = [n for n in adjoint.outputs if adjoint.kinds()[n] is Kind.SITE]
    flat = points == "numbers"
    routines = {
        "readout": print_routine(
            "readout", program, found.partitions["readout"],
            Layout(found.layout_base | {*components}, names, frozenset(), frozenset(components), flat),
        ),
        "readout_adjoint": print_routine(
            "readout_adjoint", adjoint, found.partitions["readout_adjoint"],
            Layout(found.layout_base | {*grads, *wanted} - {*imported}, names, frozenset(), flat=flat),
        ),
    }  # fmt: skip
    calls = {
        "readout": call(routines["readout"], {}, {n: f"out[{i}]" for i, n in enumerate(components)}),
        "readout_adjoint": call(
            routines["readout_adjoint"], {n: f"grads[{i}]" for i, n in enumerate(grads)},
            {n: f"out[{i}]" for i, n in enumerate(wanted)}
        ),
    }  # fmt: skip
    return printed(
        found, routines, "kernels_reading.cpp.j2", calls=calls, components=len(components), sites=sites,
        imported=[grads.index(n) for n in imported], points=points,
    )  # fmt: skip
