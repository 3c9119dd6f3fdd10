"""The methods of a layer on a lattice that take steps: ``forward``, ``forward_readout``, and what both call.

A public method hands fields and inputs to the private one beside it, which takes the steps of samples that share a time
step: they come to it in the shape and dtype of work.
"""

from __future__ import annotations

from metrigen.emit.render import tuple_text
from metrigen.ir.nodes import Program
from metrigen.layer.fields import FieldLayer
from metrigen.layer.joint import Joint
from metrigen.package import neural
from metrigen.package.arguments import arguments, floats, input_signature, inputs_of, spread, value
from metrigen.package.assembly import Package
from metrigen.package.implicit import implicit_steps
from metrigen.package.settings import field_signature


def forward_steps(package: Package[FieldLayer]) -> list[str]:
    layer = package.layer
    state = f"{layer.class_name}State"
    doc = "The state after ``steps`` steps; a momentum that is not given starts at zero."
    lines = _opened(layer, "forward", state, doc, "_evolved")
    if layer.reports:
        return [
            *lines,
            "    *ends, iterations, residual, status = results",
            f"    return {state}(*[as_dtype(x, dtype) for x in ends], iterations, residual.detach(), status)",
            "",
            *_private(layer, "_evolved"),
            *implicit_steps(package, by_reference(layer)),
            *_fixed(layer),
        ]
    lines += [f"    return {state}(*[as_dtype(x, dtype) for x in results])", "", *_private(layer, "_evolved")]
    if not package.registers("evolve"):
        step = neural.bound("step", layer.programs["step"])
        return [*lines, f"    return reference.evolve(state, fixed, self.steps, {step})", "", *_fixed(layer)]
    call = "operators.evolve(*state, *fixed, self.steps)"
    return [
        *lines,
        f"    if {by_reference(layer)}:",
        "        return reference.evolve(state, fixed, self.steps)",
        "    self._insist(state[0])",
        f"    return {f'({call},)' if len(layer.fields) == 1 else call}",
        "",
        *_fixed(layer),
    ]


def forward_readout(layer: FieldLayer, found: Joint) -> list[str]:
    state = f"{layer.class_name}State"
    read = arguments(layer, layer.programs["readout"], layer.fields[0], layer.fields, _ready(layer))
    fixed = [a.name for a in found.fixed]
    further = [f"others[{i}]" for i, a in enumerate(found.others) if a.name not in fixed]
    passed = ", ".join(["*state", "*fixed", *further, "self.steps"])
    doc = "``forward`` and the readout of its state, in one go: less memory is moved than by one after the other."
    return [
        *_opened(layer, "forward_readout", f"tuple[{state}, Tensor]", doc, "_evolved_readout"),
        "    read, *ends = [as_dtype(x, dtype) for x in results]",
        f"    return {state}(*ends), read",
        "",
        *_private(layer, "_evolved_readout"),
        f"    others = {tuple_text(read)}",
        f"    if {by_reference(layer)}:",
        "        return reference.evolve_readout(state, fixed, others, self.steps)",
        "    self._insist(state[0])",
        f"    return operators.evolve_readout({passed})",
        "",
    ]


def by_reference(layer: FieldLayer) -> str:
    """The condition on which the reference takes the steps."""
    return f"by_reference(self.backend{', dt' if floats(layer) else ''})"


def _ready(layer: FieldLayer) -> tuple[str, ...]:
    """What a private method is handed as its programs take it: dt that is not learned, and inputs."""
    return (*floats(layer), *inputs_of(layer))


def _taken(layer: FieldLayer) -> list[str]:
    """Everything that a private method is handed."""
    return [*floats(layer), *layer.fields, *inputs_of(layer)]


def _opened(layer: FieldLayer, name: str, returns: str, doc: str, private: str) -> list[str]:
    """The head of a public method, and the call of the private one."""
    inputs = inputs_of(layer)
    fields = ", ".join(f'"{f}": {f}' for f in layer.fields)
    given = ", ".join(f'"{n}": {spread(layer, n)}' for n in inputs)
    return [
        f"def {name}(self, {field_signature(layer)}{input_signature(layer, False)}) -> {returns}:",
        f'    """{doc}"""',
        f"    results, dtype = self._run(self.{private}, {{{fields}}}, {{{given}}})",
    ]


def _private(layer: FieldLayer, name: str) -> list[str]:
    """The head of a private method: the state and all that is fixed over the steps."""
    handed = [*floats(layer), layer.fields[0], *inputs_of(layer)]
    return [
        f"def {name}(self, {', '.join(f'{n}: Tensor' for n in _taken(layer))}) -> Tensors:",
        f"    state = {tuple_text(layer.fields)}",
        f"    fixed = self._fixed({', '.join(handed)})",
    ]


def _fixed(layer: FieldLayer) -> list[str]:
    """What depends on parameters and inputs alone, in the order in which a step reads it."""
    body, prologue = layer.programs["step"], layer.lowered.prologue
    first, ready = layer.fields[0], _ready(layer)
    handed = [*floats(layer), first, *inputs_of(layer)]
    lines = [
        f"def _fixed(self, {', '.join(f'{n}: Tensor' for n in handed)}) -> Tensors:",
        '    """What is fixed over the steps, in the order in which a step reads it."""',
    ]
    if prologue is not None and prologue.body:
        made = tuple_text(prologue.outputs) if len(prologue.outputs) == 1 else ", ".join(prologue.outputs)
        passed = ", ".join(['"_prologue"', *floats(layer), first])
        lines.append(f"    {made} = self._hoisted({passed})")
    lines += [f"    return {tuple_text(arguments(layer, body, first, layer.fields, ready))}", ""]
    return lines + (_prologue(layer, prologue) if prologue is not None and prologue.body else [])


def _prologue(layer: FieldLayer, prologue: Program) -> list[str]:
    """What depends on parameters and the time step alone."""
    first, numbers = layer.fields[0], floats(layer)
    given = ", ".join(a.name if a.name in numbers else value(layer, a.name, a.kind, first) for a in prologue.inputs)
    return [
        f"def _prologue(self, {', '.join(f'{n}: Tensor' for n in (*numbers, first))}) -> Tensors:",
        f"    return reference.prologue({given})",
        "",
    ]
