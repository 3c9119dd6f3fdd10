"""What the programs of a layer cost: operations and bytes at a site, in float32, every array moved once a kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metrigen.integrators.scan import Scan
from metrigen.ir.implicit import Equation
from metrigen.ir.nodes import Load, Program
from metrigen.ir.queries import equations_in, maps_in
from metrigen.layers.layer import Layer
from metrigen.passes.cse import count_ops


def statistics(layer: Layer) -> dict[str, Any]:
    """Operations and bytes of every program: at a site, or of a scan per state element."""
    if isinstance(layer.lowered.evolution, Scan):
        found: dict[str, Any] = {name: {"ops": after} for name, (_, _, after) in layer.programs.optimised.items()}
        return found | {name: {"bytes_per_state_float32": n} for name, n in traffic(layer.lowered.evolution).items()}
    return {
        name: {"ops": after, "ops_before_cse": before, "bytes_per_site_float32": bytes_per_site(program)}
        for name, (program, before, after) in layer.programs.optimised.items()
    }


def _solving(layer: Layer, equation: Equation) -> str:
    """What one evaluation of an equation takes: how often it is evaluated is found by the solution itself."""
    residual, tangent = (count_ops(program) for program in layer.programs.solved[equation][:2])
    return f"an equation ({residual} operations for its residual, {tangent} for a product with its Jacobian)"


def cost(layer: Layer, name: str) -> str:
    """Operations, bytes and kernels of a program at a site, in words."""
    program, _, after = layer.programs.optimised[name]
    solved = equations_in(program)
    if solved:
        each = " and ".join(_solving(layer, equation) for equation in solved)
        return f"{name} {after} operations beside the solution of {each}"
    kernels = len(maps_in(program, "the count of kernels"))
    text = f"{name} {after} operations, {bytes_per_site(program)} bytes moved in float32"
    return text if layer.obstacle else f"{text}, {kernels} kernel{'s' * (kernels != 1)}"


def bytes_per_site(program: Program) -> int:
    """Bytes per site that the kernels of a program read and write in float32: every array once per kernel."""
    total = 0
    for statement in maps_in(program, "bytes_per_site"):
        loads = {a.array for e in statement.expressions for a in e.free_symbols if isinstance(a, Load)}
        total += 4 * (len(loads) + len(statement.stores))
    return total


def stencil_points(program: Program) -> dict[str, int]:
    """Array -> number of sites of it that the program reads around each site."""
    points: dict[str, set[tuple[int, ...]]] = {}
    for statement in maps_in(program, "stencil_points"):
        for e in statement.expressions:
            for load in e.atoms(Load):
                points.setdefault(load.array, set()).add(load.offset)
    return {name: len(offsets) for name, offsets in sorted(points.items())}


def traffic(scan: Scan) -> Mapping[str, int]:
    """Bytes that a call moves per state element (the fields of one channel at one token) in float32, every array once:
    a scan reads the inputs and writes the states; its adjoint reads both and the cotangents, and writes those of the
    inputs."""
    n, m = len(scan.fields), len(scan.tokens)
    return {"scan": 4 * (m + n), "scan_adjoint": 4 * (2 * m + 2 * n)}
