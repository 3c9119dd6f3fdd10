"""``kernels.py``: the Triton kernels of a package and the functions that launch them."""

from __future__ import annotations

import importlib.resources
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from metrigen.backends.triton.evolution import Evolution, Kernel
from metrigen.backends.triton.evolve import print_evolution
from metrigen.backends.triton.plane import PlaneFunction, neighbours_of, read_helper, width
from metrigen.backends.triton.printer import Driver, joinable, print_kernels
from metrigen.backends.triton.solve import Solve, print_solve, solvable
from metrigen.discretise.steady_programs import StencilSteady
from metrigen.emit.render import render
from metrigen.ir.nodes import Cayley, ChannelMatmul, ChannelSum, Outer
from metrigen.layers.docs import docstring, field_docs, part
from metrigen.layers.layer import Layer
from metrigen.layers.operators import solve_programs
from metrigen.passes.vary import bar
from metrigen.spec.symbols import Param

# Loops over steps and iterations are torch in every backend; these are the programs they call.
_KERNEL_PROGRAMS = (
    "step", "step_adjoint", "readout", "readout_adjoint", "operator", "operator_adjoint", "weights", "apply", "gather",
    "diagonal",
)  # fmt: skip
_PER_MAP = """One kernel per part of a program: it owns a block of sites of one (sample, channel) plane and loads
neighbours from memory; products with channel matrices have kernels of their own. {more}
Sums over sites leave one partial per program, so that gradients are the same bits at every run."""
_ON_CHIP = {
    "evolve": "``evolve`` and its adjoint hold whole planes on chip over all steps.",
    "solve": "A solve holds its plane on chip until it stops.",
}


def kernels_text(layer: Layer, head: str) -> str:
    """The text of ``kernels.py``."""
    evolution, solve = _evolution(layer), _solve(layer)
    return render(
        "kernels.py.j2",
        header=head.rstrip("\n"),
        title=layer.source.class_name,
        name=layer.source.name,
        about=_PER_MAP.format(more=_ON_CHIP["evolve" if evolution else "solve"] if evolution or solve else "").replace(
            " \n", "\n"
        ),
        rank=layer.shape.rank,
        kernels=_map_kernels(layer),
        drivers=[driver for _, driver in _kernels(layer)],
        stepping=layer.shape.stepping,
        joined=bool(_joined(layer)),
        coupled=_coupled(layer),
        together=_block(layer) if evolution else None,
        solve_programs=solve_programs(layer),
        on_chip=bool(evolution or solve),
        table=launch_table(),
        evolution=evolution,
        on_request=layer.lowered.on_request if evolution else (),
        solve=solve,
        **_on_chip(layer, evolution, solve),
    )


def _on_chip(layer: Layer, evolution: Evolution | None, solve: Solve | None) -> dict[str, Any]:
    """What the templates of the fused kernels take."""
    functions = evolution.functions if evolution else solve.functions if solve else ()
    periodic = layer.lowered.readout.periodic
    counts = sorted({width(s) for s in _neighbours(layer).sets}) if functions else []
    return {
        "functions": functions,
        "docs": _plane_docs(functions),
        "reads": [read_helper(count, periodic) for count in counts],
        "helpers": evolution.helpers if evolution else {"load_plane", "store_plane"},
        "block": _block(layer) if evolution else None,
        "step_names": [a.name for a in layer.programs["step"].inputs] if evolution else [],
        "cotangent_names": [f"{f}__out_bar" for f in layer.lowered.fields],
    }


def _kernels(layer: Layer) -> tuple[tuple[tuple[Kernel, ...], Driver], ...]:
    asked, joined = tuple(map(bar, layer.lowered.on_request)), _joined(layer)
    return tuple(
        print_kernels(program, layer.shape.rank, name, asked, joined.get(name, ()))
        for name, program in layer.programs.items()
        if name in _KERNEL_PROGRAMS
    )


def _coupled(layer: Layer) -> bool:
    """Whether channel matrices multiply fields between the kernels."""
    return any(
        isinstance(s, (ChannelMatmul, Outer))
        for name, p in layer.programs.items()
        if name in _KERNEL_PROGRAMS
        for s in p.body
    )


def _joined(layer: Layer) -> Mapping[str, tuple[str, ...]]:
    """Program -> the components of the readout in it, where they may lie in one tensor."""
    read = layer.programs["readout"].outputs
    components = {"readout": tuple(read), "readout_adjoint": tuple(map(bar, read))}
    fits = all(joinable(layer.programs[name], parts) for name, parts in components.items())
    return components if fits else {}


def launch_table() -> dict[str, int]:
    """The checked-in launch settings: "kernel tile group dtype architecture" -> warps."""
    text = (importlib.resources.files("metrigen.backends.triton") / "launch.json").read_text(encoding="utf-8")
    return dict(sorted(json.loads(text).items()))


def _neighbours(layer: Layer) -> Any:
    names = ("step", "step_adjoint") if layer.shape.stepping else ("weights", "apply", "gather", "diagonal")
    programs = [layer.programs[name] for name in names if name in layer.programs]
    return neighbours_of(programs, layer.shape.rank, layer.lowered.readout.periodic)


def _evolution(layer: Layer) -> Evolution | None:
    if not layer.shape.stepping:
        return None
    step, adjoint = (layer.programs[name] for name in ("step", "step_adjoint"))
    found = print_evolution(step, adjoint, layer.lowered.fields, _neighbours(layer), layer.lowered.on_request)
    docs = field_docs(layer.lowered)
    first, *motion = docs["step"]
    return replace(
        found,
        step=replace(found.step, doc=docstring((f"{found.step.doc} {first}", *motion))),
        evolve=replace(found.evolve, doc=docstring((f"{found.evolve.doc} {first}", *motion))),
        adjoint=replace(found.adjoint, doc=docstring((found.adjoint.doc,))),
    )


def _solve(layer: Layer) -> Solve | None:
    programs, steady = layer.programs, layer.lowered.evolution
    if not isinstance(steady, StencilSteady) or not solvable(programs):
        return None
    return print_solve(programs, steady.unknown, _neighbours(layer), steady.monotone)


def _plane_docs(functions: Sequence[PlaneFunction]) -> dict[str, str]:
    """By function; ``_step_0`` is the first of the functions of ``step``."""
    programs = [f.name.strip("_").rpartition("_")[0] for f in functions]
    return {
        f.name: docstring(part(name, programs[:i].count(name), programs.count(name), f.results))
        for i, (f, name) in enumerate(zip(functions, programs, strict=True))
    }


def _block(layer: Layer) -> int | None:
    """Channels in a block that no matrix of a step leaves; None where one couples all channels."""
    body, prologue = layer.programs["step"], layer.lowered.prologue
    rotations = {s.out: s.matrix for s in prologue if isinstance(s, Cayley)}
    blocks = []
    for statement in body.body:
        if isinstance(statement, ChannelSum):
            return None
        if isinstance(statement, ChannelMatmul):
            param = layer.given.parameters.get(rotations.get(statement.matrix, statement.matrix))
            if not isinstance(param, Param) or param.block is None:
                return None
            blocks.append(param.block)
    return math.lcm(*blocks) if blocks else None


def _map_kernels(layer: Layer) -> list[dict[str, Any]]:
    docs = field_docs(layer.lowered)
    return [
        {
            "name": kernel.name,
            "doc": docstring(
                part(driver.name, k, len(group), (*kernel.stores, *kernel.sums), docs.get(driver.name, ()))
            ),
            "pointers": [
                *kernel.sites, *kernel.channels, *kernel.scalars, *kernel.stores, *(f"{n}" for n in kernel.sums)
            ],
            "channels": kernel.channels,
            "sums": kernel.sums,
            "on_request": kernel.on_request,
            "lines": kernel.lines,
        }
        for group, driver in _kernels(layer)
        for k, kernel in enumerate(group)
    ]  # fmt: skip
