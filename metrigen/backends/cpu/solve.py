"""The solve of a steady state on the CPU: ``solve`` and ``operator_adjoint`` of ``kernels.cpp``."""

from __future__ import annotations

from dataclasses import replace

from metrigen.backends.cpu.group import Group, Printed, group, printed
from metrigen.backends.cpu.printer import Layout, Routine, call, print_routine
from metrigen.discretise.steady_programs import LinearSteady, StencilSteady
from metrigen.ir.nodes import Accumulate, Array, Kind, Load, Map, Program
from metrigen.layers.docs import field_docs
from metrigen.passes.partition import neighbour_reads
from metrigen.passes.vary import bar
from metrigen.programs import Done, Lowered

# The weights of a nearest-neighbour stencil in the plane: below, above, left and right in memory.
_NEIGHBOURS = ("weight__to_m1_0", "weight__to_p1_0", "weight__to_0_m1", "weight__to_0_p1")
_CURVATURE = Array("curvature", Kind.CHANNEL)


def solve_group(lowered: Lowered, steady: LinearSteady, done: Done) -> Printed | None:
    """Weights, operator and its variation, and the loops around them."""
    rank = len(lowered.dynamics.origin)
    programs = _programs(steady, rank)
    fixed = [a for a in steady.operator.inputs if a.name != steady.unknown]
    found = group("steady", fixed, programs, field_docs(lowered), (_CURVATURE,), done)
    return None if found is None else _print(found, steady)


def _programs(steady: LinearSteady, rank: int) -> dict[str, Program]:
    programs = {"apply": _with_curvature(steady.operator, steady.unknown, rank)}
    if isinstance(steady, StencilSteady):
        stencil = steady.stencil
        programs = {
            "weights": stencil.weights, "diagonal": stencil.diagonal,
            "apply": _with_curvature(stencil.apply, steady.unknown, rank),
            **({"gather": stencil.gather} if stencil.monotone else {}),
        }  # fmt: skip
    if len(steady.operator.inputs) > 1:
        programs["operator_adjoint"] = steady.adjoint
    return {name: _read(program) for name, program in programs.items()}


def _read(program: Program) -> Program:
    """Only the inputs that are read."""
    read = {name for s in program.body for name in s.reads}
    return replace(program, inputs=tuple(a for a in program.inputs if a.name in read))


def _with_curvature(apply: Program, unknown: str, rank: int) -> Program:
    """A u and, in the same fusion group, u . A u."""
    (image,) = apply.outputs
    origin = (0,) * rank
    term = Map(sums=(("curvature__sum", Kind.CHANNEL, Load(unknown, origin) * Load(image, origin)),))
    total = Accumulate(_CURVATURE.name, Kind.CHANNEL, ("curvature__sum",))
    return replace(apply, body=(*apply.body, term, total), outputs=(*apply.outputs, _CURVATURE.name))


def _print(group: Group, steady: LinearSteady) -> Printed:
    given = frozenset(a.name for a in group.fixed)
    weights = list(group.programs["weights"].outputs) if "weights" in group.programs else []
    weight = {n: f"weight[{i}]" for i, n in enumerate(weights)}
    unknown, cotangent = steady.unknown, bar(steady.operator.outputs[0])
    adjoint = group.programs.get("operator_adjoint")
    kinds = adjoint.kinds() if adjoint else {}
    wanted = [n for n in adjoint.outputs if kinds[n] is Kind.SITE] if adjoint else []
    neighbours = neighbour_reads(adjoint.body) if adjoint else set()
    imported = [n for n in (unknown, cotangent) if n in neighbours]
    beside = {unknown, cotangent} - {*imported} | {*wanted}
    routines: dict[str, Routine] = {}
    for name, program in group.programs.items():
        dense = beside if name == "operator_adjoint" else set()
        layout = Layout(group.layout_base | dense, given, frozenset())
        routines[name] = print_routine(name, program, group.partitions[name], layout)
    image = group.programs["apply"].outputs[0]
    calls = {
        "apply": call(routines["apply"], weight | {unknown: "x"}, {image: "image"}),
        "operator_adjoint": "",
    }
    if weights:
        (diagonal,) = group.programs["diagonal"].outputs
        calls["weights"] = call(routines["weights"], {}, weight)
        calls["diagonal"] = call(routines["diagonal"], weight, {diagonal: "inverse"})
    if "gather" in routines:
        (gathered,) = group.programs["gather"].outputs
        calls["gather"] = call(routines["gather"], weight | {unknown: "u"}, {gathered: "q"})
    if adjoint:
        calls["operator_adjoint"] = call(
            routines["operator_adjoint"], {unknown: "field", cotangent: "cotangent"},
            {n: f"out[{i}]" for i, n in enumerate(wanted)}
        )  # fmt: skip
    order = [weights.index(n) for n in _NEIGHBOURS] if {*weights[1:]} == {*_NEIGHBOURS} else []
    return printed(
        group, routines, "kernels_solve.cpp.j2", calls=calls, weights=weights, multigrid=len(order) == 4, order=order,
        monotone="gather" in routines,
        sites=wanted, imported=["field" if n == unknown else "cotangent" for n in imported],
    )  # fmt: skip
