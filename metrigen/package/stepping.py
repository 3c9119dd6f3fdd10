"""The methods of a layer on a lattice that take steps: ``forward``, ``forward_readout``, and what both call.

A public method hands fields and inputs to the private one beside it, which takes the steps of samples that share a time
step: they come to it in the shape and dtype of work.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from metrigen.emit.render import tuple_text
from metrigen.ir.nodes import Program
from metrigen.layers.fused_readout import FusedReadout
from metrigen.layers.layer import Layer
from metrigen.package import neural
from metrigen.package.arguments import arguments, floats, handed_in, inputs_of, noises, step_length, timed, value
from metrigen.package.assembly import Package
from metrigen.package.call_docs import sites, steps_doc, written
from metrigen.package.implicit import implicit_steps
from metrigen.package.settings import field_signature

_STEPS = "self._reference_steps(reference, state[0])"
_COEFFICIENT = re.compile(r"as_dtype\((?P<name>self\.\w+), (?P<dtype>[\w.]+)\)")


def forward_steps(package: Package) -> list[str]:
    layer = package.layer
    state = f"{layer.source.class_name}State"
    lines = [
        *_opened(layer, "forward", state, steps_doc(layer)),
        f"    return self._called({_handed(layer)}, {span_of(layer)})",
        "",
        *length(layer),
        *_private(layer, "_evolved"),
    ]
    if layer.programs.implicit:
        return [*lines, *implicit_steps(package, by_reference(layer)), *_fixed(layer)]
    driven = ", reference.DRIVEN" if layer.lowered.driven else ""
    if not package.registers("evolve"):
        step = neural.bound("step", layer.programs["step"])
        evolve = _STEPS if step == "reference.step" else f"partial(reference.evolve, step={step})"
        return [*lines, f"    return by_steps({evolve}, state, fixed, _span{driven})", "", *_fixed(layer)]
    return [
        *lines,
        f"    if {by_reference(layer)}:",
        f"        return by_steps({_STEPS}, state, fixed, _span{driven})",
        "    self._insist(state[0])",
        "    return by_operators(operators, state, fixed, _span)",
        "",
        *_fixed(layer),
    ]


def forward_readout(layer: Layer, found: FusedReadout) -> list[str]:
    state = f"{layer.source.class_name}State"
    read = arguments(layer, layer.programs["readout"], layer.lowered.fields[0], layer.lowered.fields, _ready(layer))
    fixed = [a.name for a in found.fixed]
    further = [f"others[{i}]" for i, a in enumerate(found.others) if a.name not in fixed]
    passed = ", ".join(["*state", "*fixed", *further, "_span.steps"])
    doc = [
        "``forward``, with its arguments, and the readout (B, R*C"
        + sites(layer)
        + ") of its state, in one go: less memory is moved."
    ]
    return [
        *_opened(layer, "forward_readout", f"tuple[{state}, Tensor]", doc),
        f"    results, dtype = self._run(self._evolved_readout, {_handed(layer)}, {span_of(layer)})",
        "    read, *ends = [as_dtype(x, dtype) for x in results]",
        f"    return {state}(*ends), read",
        "",
        *_private(layer, "_evolved_readout"),
        *([f"    others = {_beside(read)}"] if further else []),
        f"    if {by_reference(layer)}:",
        *([] if further else [f"        others = {_beside(read)}"]),  # kernels are handed them among what is fixed
        f"        return reference.evolve_readout(state, fixed, others, _span.taken, {_STEPS})",
        "    self._insist(state[0])",
        f"    return operators.evolve_readout({passed})",
        "",
    ]


def rollout_readout(layer: Layer, found: FusedReadout) -> list[str]:
    """The private method behind ``rollout_readout``: readouts (B, R*C, n, *S), then the last state."""
    read = arguments(
        layer, layer.programs["readout"], layer.lowered.fields[0], (*layer.lowered.fields, *found.steps), _ready(layer)
    )
    fixed = [a.name for a in found.fixed]
    further = [f"others[{i}]" for i, a in enumerate(found.others) if a.name not in fixed]
    passed = ", ".join(["*state", "*fixed", *further, "_span.steps", "_span.every"])
    return [
        *_private(layer, "_rolled_readout"),
        *([f"    others = {_beside(read)}"] if further else []),
        "    if not _span.taken:",
        f"        return unread(state, {found.components})",
        f"    if {by_reference(layer)}:",
        *([] if further else [f"        others = {_beside(read)}"]),
        f"        steps = {_STEPS}",
        "        return by_readings(steps, reference.evolve_readout, state, fixed, others, _span"
        f"{', reference.DRIVEN' * bool(layer.lowered.driven)})",
        "    self._insist(state[0])",
        f"    return frames_first(operators.rollout_readout({passed}))",
        "",
    ]


def _beside(read: Sequence[str]) -> str:
    """What a readout reads beside the fields: coefficients alone are named once each."""
    plain = [_COEFFICIENT.fullmatch(value) for value in read]
    dtypes = {found["dtype"] for found in plain if found}
    if len(read) < 3 or None in plain or len(dtypes) > 1:
        return tuple_text(read)
    names = tuple_text([found["name"] for found in plain if found])
    return f"tuple(as_dtype(x, {dtypes.pop()}) for x in {names})"


def by_reference(layer: Layer) -> str:
    """The condition on which the reference takes the steps."""
    read = [a.name for a in layer.programs["step"].inputs if a.name not in layer.lowered.fields]
    numbers = [name for name in floats(layer) if name not in layer.lowered.on_request]
    constants = [*numbers, *([f"fixed[{read.index('t')}]"] if "t" in read else [])]
    return f"by_reference({', '.join(['self.backend', *constants])})"


def _ready(layer: Layer) -> tuple[str, ...]:
    """What a private method is handed as its programs take it: dt that is not learned, and inputs."""
    return (*floats(layer), *handed_in(layer))


def _taken(layer: Layer) -> list[str]:
    """Everything that a private method is handed."""
    return [*floats(layer), *layer.lowered.fields, *_ahead(layer), *handed_in(layer)]


def _ahead(layer: Layer) -> list[str]:
    """The time at which the steps begin, where something depends on it."""
    return ["t0"] if timed(layer) else []


def span_of(layer: Layer) -> str:
    """The steps of a call, from the arguments that ``span_signature`` names."""
    return f"Span(steps, dt{', t0' if timed(layer) else ''})"


def span_signature(layer: Layer) -> str:
    return "steps: int | None = None, dt: float | Tensor | None = None" + ", t0: float | Tensor = 0.0" * timed(layer)


def _opened(layer: Layer, name: str, returns: str, doc: list[str]) -> list[str]:
    """The head of a public method."""
    inputs = "".join(f"{n}: Tensor, " for n in inputs_of(layer))
    span = span_signature(layer)
    span += ", generator: torch.Generator | None = None, noise: Any = None" if noises(layer) else ""
    return [
        f"def {name}(self, {field_signature(layer)}, *, {inputs}{span}) -> {returns}:",
        *written(doc),
    ]


def _handed(layer: Layer) -> str:
    """Fields and inputs, each by its name."""
    fields = ", ".join(f'"{f}": {f}' for f in layer.lowered.fields)
    options = ["generator", "noise"] if noises(layer) else []
    given = ", ".join(f'"{n}": {n}' for n in [*inputs_of(layer), *options])
    return f"{{{fields}}}, {{{given}}}"


def _private(layer: Layer, name: str) -> list[str]:
    """The head of a private method: the state and all that is fixed over the steps."""
    handed = [*_begins(layer), *floats(layer), layer.lowered.fields[0], *handed_in(layer)]
    return [
        f"def {name}(self, _span: Span, {', '.join(f'{n}: Tensor' for n in _taken(layer))}) -> Tensors:",
        f"    state = {tuple_text(layer.lowered.fields)}",
        f"    fixed = self._fixed({', '.join(handed)})",
    ]


def length(layer: Layer) -> list[str]:
    """What the time step of a call is, where it is learned and something depends on the time."""
    if not timed(layer) or floats(layer):
        return []
    return ["def _length(self, dt: float | Tensor | None) -> float | Tensor:", f"    return {step_length(layer)}", ""]


def _begins(layer: Layer) -> list[str]:
    return ["_span", "t0"] if timed(layer) else []


def _fixed(layer: Layer) -> list[str]:
    """What depends on parameters and inputs alone, in the order in which a step reads it."""
    body, prologue = layer.programs["step"], layer.lowered.prologue
    first, ready = layer.lowered.fields[0], _ready(layer)
    handed = [*floats(layer), first, *handed_in(layer)]
    begins = "_span: Span, t0: Tensor, " if timed(layer) else ""
    lines = [
        f"def _fixed(self, {begins}{', '.join(f'{n}: Tensor' for n in handed)}) -> Tensors:",
        '    """What is fixed over the steps, in the order in which a step reads it."""',
    ]
    if prologue.body:
        made = tuple_text(prologue.outputs) if len(prologue.outputs) == 1 else ", ".join(prologue.outputs)
        passed = ", ".join(['"_prologue"', *floats(layer), first])
        lines.append(f"    {made} = self._hoisted({passed})")
    if "t" in layer.lowered.driven:
        lines.append(f"    t = times(t0, {step_length(layer)}, _span.taken, {first})")
        ready = (*ready, "t")
    driven = [n for n in layer.lowered.driven if n != "t"]
    found = [f"stepwise({a})" if a in driven else a for a in arguments(layer, body, first, layer.lowered.fields, ready)]
    lines += [f"    return {tuple_text(found)}", ""]
    return lines + (_prologue(layer, prologue) if prologue.body else [])


def _prologue(layer: Layer, prologue: Program) -> list[str]:
    """What depends on parameters and the time step alone."""
    first, numbers = layer.lowered.fields[0], floats(layer)
    given = ", ".join(a.name if a.name in numbers else value(layer, a.name, a.kind, first) for a in prologue.inputs)
    return [
        f"def _prologue(self, {', '.join(f'{n}: Tensor' for n in (*numbers, first))}) -> Tensors:",
        f"    return reference.prologue({given})",
        "",
    ]
