"""The operators of a layer: what each evolution has, and the reading of its states."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from metrigen.discretise.graph_steady import GraphSteady
from metrigen.discretise.steady_programs import LinearSteady
from metrigen.integrators.memory import Memory
from metrigen.integrators.scan import Scan
from metrigen.ir.nodes import Array, Kind, Program
from metrigen.layers.operator import Operator, names_of
from metrigen.programs import TimeStep

if TYPE_CHECKING:
    from metrigen.layers.layer import Layer

_KINDS = {
    Kind.SITE: "field", Kind.EDGE: "edge", Kind.CHANNEL: "channel", Kind.MATRIX: "matrix", Kind.SCALAR: "scalar",
    Kind.UNITS: "units",
}  # fmt: skip


_MEMORY = {
    "state": "state", "last": "state", "saved": "saved", "read": "read", "content": "columns", "keep": "keep",
    "rotate": "half",
}  # fmt: skip


def operators_of(layer: Layer) -> tuple[Operator, ...]:
    evolution = layer.lowered.evolution
    if isinstance(evolution, Memory):
        nothing = Program("scan", (), (), ())  # a recurrence with no program of its own
        return (Operator("scan", "scan", "remember", (evolution.coefficients,), nothing, nothing),)
    if isinstance(evolution, Scan):
        return _scan(evolution)
    readout, adjoint = layer.programs["readout"], layer.programs["readout_adjoint"]
    groups = names_of(readout.inputs), len(readout.outputs)
    reading = Operator("readout", "map", "readout", groups, readout, adjoint)
    if isinstance(evolution, TimeStep):
        return (reading, *_steps(layer))
    if isinstance(evolution, GraphSteady):
        weights = layer.programs["weights"]  # of a symmetric matrix: the equation of a gradient has the same
        return (reading, Operator("solve", "solve", "equilibrium", (), weights, weights))
    return (reading, _solve(layer, evolution)) if isinstance(evolution, LinearSteady) else (reading,)


def _scan(scan: Scan) -> tuple[Operator, ...]:
    reading = scan.fields, scan.reads(scan.readout), len(scan.components)
    moving = scan.fields, scan.tokens, scan.coefficients
    return (
        Operator("readout", "map", "readout_scan", reading, scan.readout, scan.readout_adjoint),
        Operator("scan", "scan", "scan", moving, scan.step, scan.step_adjoint),
    )


def _solve(layer: Layer, steady: LinearSteady) -> Operator:
    operator = layer.programs["operator"]
    groups = steady.unknown, names_of(operator.inputs, (steady.unknown,)), layer.source.class_name
    return Operator("solve", "solve", "solve", groups, operator, layer.programs.get("operator_adjoint", steady.adjoint))


def _steps(layer: Layer) -> list[Operator]:
    step, adjoint, readout = (layer.programs[name] for name in ("step", "step_adjoint", "readout"))
    fixed = names_of(step.inputs, layer.lowered.fields)
    driven = [layer.lowered.driven] if layer.lowered.driven else []
    maker = "implicit" if layer.programs.implicit else "evolve"
    found = [Operator("evolve", "steps", maker, (layer.lowered.fields, fixed, *driven), step, adjoint)]
    if not layer.programs.implicit:
        found.append(Operator("rollout", "steps", "rollout", (layer.lowered.fields, fixed, *driven), step, adjoint))
    by_step = None if layer.obstacle else layer.lowered.read_by_step
    if by_step is None:
        return found
    read = names_of(readout.inputs, (*layer.lowered.fields, *by_step))
    groups = layer.lowered.fields, fixed, read, len(readout.outputs)
    if not driven:
        found.append(Operator("evolve_readout", "steps", "evolve_readout", groups, step, adjoint))
    found.append(Operator("rollout_readout", "steps", "rollout_readout", (*groups, *driven), step, adjoint))
    return found


def solve_programs(layer: Layer) -> list[str]:
    """The programs of a linear solve, as the class ``Programs`` of the runtime names them."""
    names = ("operator", "weights", "apply", "gather", "diagonal")
    return [] if layer.shape.stepping else [name for name in names if name in layer.programs]


def kinds(layer: Layer) -> Mapping[str, str]:
    """Name of an array that an operator is handed -> what the runtime calls its kind."""
    if isinstance(layer.lowered.evolution, Scan):
        return _token_kinds(layer.lowered.evolution)
    if isinstance(layer.lowered.evolution, Memory):
        return _MEMORY | {name: _MEMORY.get(name, "rows") for name in layer.lowered.evolution.coefficients}
    programs = [layer.programs[n] for n in ("readout", "step", "operator") if n in layer.programs]
    arrays = {a.name: a for program in programs for a in program.inputs}
    return {name: " ".join((_KINDS[a.kind], *_numbers(a))) for name, a in sorted(arrays.items())}


def _numbers(array: Array) -> list[str]:
    """Of the weights of a network how many units it has, and numbers of each."""
    return [str(n) for n in array.units] if array.kind is Kind.UNITS else []


def _token_kinds(scan: Scan) -> Mapping[str, str]:
    blocks = scan.block_of
    found = dict.fromkeys((*scan.fields, *scan.tokens), "field") | {f"{f}__start": "start" for f in scan.fields}
    return found | {n: str(blocks[n]) if n in blocks else "channel" for n in scan.coefficients}
