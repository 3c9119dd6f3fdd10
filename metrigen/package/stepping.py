"""The methods of a layer on a lattice that take steps: ``forward``, ``forward_readout``, and what both call.

A public method hands fields and inputs to the private one beside it, which takes the steps of samples that share a time
step: they come to it in the shape and dtype of work.
"""

from __future__ import annotations

from metrigen.ir.queries import equations_in
from metrigen.layer.layer import Emission
from metrigen.package import neural
from metrigen.package.arguments import arguments, floats, input_signature, inputs_of, spread, tuple_text, value
from metrigen.package.implicit import implicit_steps
from metrigen.package.joint import Joint
from metrigen.package.settings import field_signature


def reports(emission: Emission) -> bool:
    """Whether a step solves an equation, whose end every sample is told of."""
    return emission.stepping and bool(equations_in(emission.optimised["step"][0]))


def forward_steps(emission: Emission) -> list[str]:
    state = f"{emission.class_name}State"
    doc = "The state after ``steps`` steps; a momentum that is not given starts at zero."
    lines = _opened(emission, "forward", state, doc, "_evolved")
    if reports(emission):
        return [
            *lines,
            "    *ends, iterations, residual, status = results",
            f"    return {state}(*[as_dtype(x, dtype) for x in ends], iterations, residual.detach(), status)",
            "",
            *_private(emission, "_evolved"),
            *implicit_steps(emission, by_reference(emission)),
            *_fixed(emission),
        ]
    lines += [f"    return {state}(*[as_dtype(x, dtype) for x in results])", "", *_private(emission, "_evolved")]
    if emission.without_triton:
        step = neural.bound("step", emission.optimised["step"][0])
        return [*lines, f"    return reference.evolve(state, fixed, self.steps, {step})", "", *_fixed(emission)]
    call = "operators.evolve(*state, *fixed, self.steps)"
    return [
        *lines,
        f"    if {by_reference(emission)}:",
        "        return reference.evolve(state, fixed, self.steps)",
        "    self._insist(state[0])",
        f"    return {f'({call},)' if len(emission.fields) == 1 else call}",
        "",
        *_fixed(emission),
    ]


def forward_readout(emission: Emission, found: Joint) -> list[str]:
    state = f"{emission.class_name}State"
    read = arguments(emission, emission.optimised["readout"][0], emission.fields[0], emission.fields, _ready(emission))
    fixed = [a.name for a in found.fixed]
    further = [f"others[{i}]" for i, a in enumerate(found.others) if a.name not in fixed]
    passed = ", ".join(["*state", "*fixed", *further, "self.steps"])
    doc = "``forward`` and the readout of its state, in one go: less memory is moved than by one after the other."
    return [
        *_opened(emission, "forward_readout", f"tuple[{state}, Tensor]", doc, "_evolved_readout"),
        "    read, *ends = [as_dtype(x, dtype) for x in results]",
        f"    return {state}(*ends), read",
        "",
        *_private(emission, "_evolved_readout"),
        f"    others = {tuple_text(read)}",
        f"    if {by_reference(emission)}:",
        "        return reference.evolve_readout(state, fixed, others, self.steps)",
        "    self._insist(state[0])",
        f"    return operators.evolve_readout({passed})",
        "",
    ]


def by_reference(emission: Emission) -> str:
    """The condition on which the reference takes the steps."""
    return f"by_reference(self.backend{', dt' if floats(emission) else ''})"


def _ready(emission: Emission) -> tuple[str, ...]:
    """What a private method is handed as its programs take it: dt that is not learned, and inputs."""
    return (*floats(emission), *inputs_of(emission))


def _taken(emission: Emission) -> list[str]:
    """Everything that a private method is handed."""
    return [*floats(emission), *emission.fields, *inputs_of(emission)]


def _opened(emission: Emission, name: str, returns: str, doc: str, private: str) -> list[str]:
    """The head of a public method, and the call of the private one."""
    inputs = inputs_of(emission)
    fields = ", ".join(f'"{f}": {f}' for f in emission.fields)
    given = ", ".join(f'"{n}": {spread(emission, n)}' for n in inputs)
    return [
        f"def {name}(self, {field_signature(emission)}{input_signature(emission, False)}) -> {returns}:",
        f'    """{doc}"""',
        f"    results, dtype = self._run(self.{private}, {{{fields}}}, {{{given}}})",
    ]


def _private(emission: Emission, name: str) -> list[str]:
    """The head of a private method: the state and all that is fixed over the steps."""
    handed = [*floats(emission), emission.fields[0], *inputs_of(emission)]
    return [
        f"def {name}(self, {', '.join(f'{n}: Tensor' for n in _taken(emission))}) -> Tensors:",
        f"    state = {tuple_text(emission.fields)}",
        f"    fixed = self._fixed({', '.join(handed)})",
    ]


def _fixed(emission: Emission) -> list[str]:
    """What depends on parameters and inputs alone, in the order in which a step reads it."""
    body, prologue = emission.optimised["step"][0], emission.lowered.prologue
    first, ready = emission.fields[0], _ready(emission)
    handed = [*floats(emission), first, *inputs_of(emission)]
    lines = [
        f"def _fixed(self, {', '.join(f'{n}: Tensor' for n in handed)}) -> Tensors:",
        '    """What is fixed over the steps, in the order in which a step reads it."""',
    ]
    if prologue is not None and prologue.body:
        given = ", ".join(
            a.name if a.name in ready else value(emission, a.name, a.kind, first) for a in prologue.inputs
        )
        made = tuple_text(prologue.outputs) if len(prologue.outputs) == 1 else ", ".join(prologue.outputs)
        lines.append(f"    {made} = reference.prologue({given})")
    return [*lines, f"    return {tuple_text(arguments(emission, body, first, emission.fields, ready))}", ""]
