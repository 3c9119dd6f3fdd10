"""The text of ``reference.py``: every program as a function of PyTorch, and the loops that call them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from metrigen.backends.torch.printer import Function, print_function
from metrigen.discretise.steady_programs import LinearSteady, NonlinearSteady, StencilSteady
from metrigen.emit.render import render
from metrigen.ir.constraints import walls_of
from metrigen.ir.nodes import Array, Cayley
from metrigen.layers.docs import docstring, field_docs
from metrigen.layers.fused_readout import fused_readout
from metrigen.layers.layer import Layer
from metrigen.layers.operators import solve_programs
from metrigen.layers.programs import PARTS
from metrigen.spec.domain import Lattice
from metrigen.spec.symbols import Param

_OPERATOR_DOC = "A psi at every site, the symmetric operator of an elliptic constraint."
_MODES_DOC = "The eigenvalues of A: of sin(theta/2)**2, then sin(theta), of every axis, and the coefficients."


_EQUATION_DOCS = (
    "What vanishes at the solution: one output per unknown.",
    "The residual along a direction of the unknowns, J v.",
    "The cotangent of the unknowns, J^T w.",
    "The cotangents of what is given.",
)


def elliptic(layer: Layer) -> tuple[Function, ...]:
    """The operators of the elliptic constraints, then the eigenvalues of those that waves diagonalise."""
    programs = (*layer.programs.constraints.values(), *layer.programs.eigenvalues.values())
    return tuple(print_function(program, layer.shape.rank) for program in programs)


def _elliptic_context(layer: Layer) -> dict[str, object]:
    """What the template of the solves reads: name -> (operator, eigenvalues or None, whether it is singular)."""
    modes = {key: program.name for key, program in layer.programs.eigenvalues.items()}
    walls = walls_of(layer.programs.constraints)
    return {
        "constraints": {p.name: (modes.get(key), key[1]) for key, p in layer.programs.constraints.items()},
        "by_waves": bool(modes),
        "by_iteration": len(modes) < len(layer.programs.constraints),
        "walls": walls.value if walls else "",
    }


def implicit(layer: Layer) -> Mapping[str, tuple[Function, ...]]:
    """The functions of every nonlinear equation, by its name."""
    return {
        name: tuple(
            print_function(program, layer.shape.rank, f"{name}_{part}", layer.programs.constraints)
            for part, program in zip(PARTS, layer.programs.solved[equation], strict=True)
        )
        for equation, name in layer.programs.equations.items()
    }


def functions(layer: Layer) -> tuple[Function, ...]:
    """The programs, the prologue first."""
    printed = [
        print_function(program, layer.shape.rank, name, layer.programs.constraints, layer.programs.equations)
        for name, program in layer.programs.items()
    ]
    prologue = layer.lowered.prologue
    return (*((print_function(prologue, layer.shape.rank),) if prologue.body else ()), *printed)


def reference_text(layer: Layer, head: str) -> str:
    evolution = layer.lowered.evolution
    domain: Lattice = layer.source.spec.system.lattice
    found, own, solved = fused_readout(layer), functions(layer), implicit(layer)
    called = _called((*own, *(f for parts in solved.values() for f in parts)))
    return render(
        "reference.py.j2",
        header=head.rstrip("\n"),
        title=layer.source.class_name,
        rank=layer.shape.rank,
        boundary=domain.boundary,
        periodic=domain.boundary == "periodic",
        cayley=_uses_cayley(layer),
        cayley_block=_cayley_block(layer),
        stumpff="stumpff" in called,
        secants=bool(called & {"_ratio", "_artanhc"}),
        called=called,
        learned=bool(layer.programs.learned),
        functions=own,
        elliptic=elliptic(layer),
        **_elliptic_context(layer),
        implicit=solved,
        minimum=isinstance(evolution, NonlinearSteady),
        planes=isinstance(evolution, NonlinearSteady) and not evolution.equation.coupled,
        equations={layer.programs.equations[e]: e for e in layer.programs.equations},
        docs={name: docstring(doc) for name, doc in field_docs(layer.lowered).items()}
        | {p.name: _OPERATOR_DOC for p in layer.programs.constraints.values()}
        | {p.name: _MODES_DOC for p in layer.programs.eigenvalues.values()}
        | {f.name: doc for parts in solved.values() for f, doc in zip(parts, _EQUATION_DOCS, strict=True)},
        stepping=layer.shape.stepping,
        driven=driven_places(layer),
        noise=noise_places(layer),
        fused_readout=found is not None,
        **(found.context() if found else {}),
        stencil=isinstance(evolution, StencilSteady),
        monotone=isinstance(evolution, LinearSteady) and evolution.monotone,
        flat=_flatten(layer.shape.rank, _by_plane(layer)),
        solve_programs=solve_programs(layer),
    )


def driven_places(layer: Layer) -> tuple[int, ...]:
    """Places, among what a step reads beside the state, of what every step reads a value of its own of."""
    return tuple(i for i, a in enumerate(_fixed(layer)) if a.driven)


def noise_places(layer: Layer) -> tuple[int, ...]:
    """Those of them that are standard normal numbers."""
    return tuple(i for i, a in enumerate(_fixed(layer)) if a.noise)


def _fixed(layer: Layer) -> list[Array]:
    """What a step reads beside the state."""
    step = layer.programs.get("step")
    return [] if step is None else [a for a in step.inputs if a.name not in layer.lowered.fields]


def _by_plane(layer: Layer) -> bool:
    """Whether the vectors of a solve are planes, not samples."""
    evolution = layer.lowered.evolution
    separate = isinstance(evolution, NonlinearSteady) and not evolution.equation.coupled
    return separate or bool(elliptic(layer)) or isinstance(evolution, StencilSteady)


def _flatten(rank: int, planes: bool) -> str:
    if not planes:
        return ".flatten(1)"
    return ".flatten(2)" if rank else ".unsqueeze(-1)"


def _uses_cayley(layer: Layer) -> bool:
    return any(isinstance(s, Cayley) for s in layer.lowered.prologue)


def _cayley_block(layer: Layer) -> int | None:
    """Channels in the blocks of every matrix that makes a rotation; None where one couples all channels."""
    matrices = [layer.given.parameters[s.matrix] for s in layer.lowered.prologue if isinstance(s, Cayley)]
    blocks = {s.block if isinstance(s, Param) else None for s in matrices}
    return blocks.pop() if len(blocks) == 1 else None


def _called(programs: Iterable[Function]) -> set[str]:
    """Names of the functions that the printed programs call."""
    return {name for f in programs for line in f.lines for name in re.findall(r"\b(\w+)\(", line)}
