"""The methods of a layer on a lattice that take steps: ``forward``, ``forward_readout``, and what both call.

A public method puts fields and inputs into the shape and dtype of work; the private one beside it takes the steps for
one time step dt, or is called for every sample where each has its own.
"""

from __future__ import annotations

from metrigen.frame import neural
from metrigen.frame.arguments import arguments, floats, input_signature, inputs_of, spread, tuple_text, value
from metrigen.frame.emission import Emission
from metrigen.frame.implicit import implicit_steps
from metrigen.frame.joint import Joint
from metrigen.frame.settings import fields_given
from metrigen.ir.queries import equations_in


def reports(emission: Emission) -> bool:
    """Whether a step solves an equation, whose end every sample is told of."""
    return emission.stepping and bool(equations_in(emission.optimised["step"][0]))


def forward_steps(emission: Emission) -> list[str]:
    fields, state = tuple_text(list(emission.fields)), f"{emission.class_name}State"
    doc = "The state after ``steps`` steps; a momentum that is not given starts at zero."
    lines = _opened(emission, "forward", state, doc) + _called(emission, "_evolved")
    if reports(emission):
        lines += [
            "    *ends__, iterations__, residual__, status__ = results__",
            "    ends__ = [as_dtype(x, dtype__) for x in ends__]",
            f"    return {state}(*ends__, iterations__, residual__.detach(), status__)",
            "",
        ]
        return [*lines, *_private(emission, "_evolved"), *implicit_steps(emission, by_reference(emission))]
    lines += [f"    return {state}(*[as_dtype(x, dtype__) for x in results__])", "", *_private(emission, "_evolved")]
    if emission.without_triton:
        step = neural.bound("step", emission.optimised["step"][0])
        return [*lines, f"    return reference.evolve({fields}, fixed__, self.steps, {step})", ""]
    call = f"_evolve({', '.join(emission.fields)}, *fixed__, self.steps)"
    return [
        *lines,
        f"    if {by_reference(emission)}:",
        f"        return reference.evolve({fields}, fixed__, self.steps)",
        f"    _available(self.backend, {emission.fields[0]})",
        f"    return {f'({call},)' if len(emission.fields) == 1 else call}",
        "",
    ]


def forward_readout(emission: Emission, found: Joint) -> list[str]:
    fields, first = tuple_text(list(emission.fields)), emission.fields[0]
    state = f"{emission.class_name}State"
    read = arguments(emission, emission.optimised["readout"][0], first, emission.fields, _ready(emission))
    fixed = [a.name for a in found.fixed]
    further = [f"others__[{i}]" for i, a in enumerate(found.others) if a.name not in fixed]
    passed = ", ".join([*emission.fields, "*fixed__", *further, "self.steps"])
    doc = "``forward`` and the readout of its state, in one go: less memory is moved than by one after the other."
    return [
        *_opened(emission, "forward_readout", f"tuple[{state}, Tensor]", doc),
        *_called(emission, "_evolved_readout"),
        "    read__, *ends__ = [as_dtype(x, dtype__) for x in results__]",
        f"    return {state}(*ends__), read__",
        "",
        *_private(emission, "_evolved_readout"),
        "    others__ = (",
        *(f"        {value}," for value in read),
        "    )",
        f"    if {by_reference(emission)}:",
        f"        return reference.evolve_readout({fields}, fixed__, others__, self.steps)",
        f"    _available(self.backend, {first})",
        f"    return _evolve_readout({passed})",
        "",
    ]


def by_reference(emission: Emission) -> str:
    """The condition on which the reference takes the steps."""
    return f"by_reference(self.backend{', dt' if floats(emission) else ''})"


def _ready(emission: Emission) -> tuple[str, ...]:
    """What a private method is handed as its programs take it: dt that is not learned, and inputs."""
    return (*floats(emission), *inputs_of(emission))


def _opened(emission: Emission, name: str, returns: str, doc: str) -> list[str]:
    """The head of a public method: fields in the dtype of work, inputs in the shape of the fields."""
    signature, starts = fields_given(emission)
    first, *others = emission.fields
    inputs = [f"_site({spread(emission, n)}, {first}, {n!r})" for n in inputs_of(emission)]
    return [
        f"def {name}(self, {signature}{input_signature(emission, False)}) -> {returns}:",
        f'    """{doc}"""',
        *starts,
        f"    *fields__, dtype__ = _work({', '.join(emission.fields)}, channels=self.channels)",
        f"    {first}{',' if not others else ''}{''.join(', ' + f for f in others)} = fields__",
        f"    given__ = {tuple_text([*emission.fields, *inputs])}",
    ]


def _called(emission: Emission, name: str) -> list[str]:
    """The call of the private method, of every sample by itself where each has its own time step."""
    if not floats(emission):
        return [f"    results__ = self.{name}(*given__)"]
    alone = "True" if emission.operators or emission.equations else 'self.backend in ("cpu", "triton")'
    return [
        f"    dt = step_of(self.dt, {emission.fields[0]})",
        "    if dt.dim():",
        f"        results__ = by_sample(self.{name}, dt, given__, {alone})",
        "    else:",
        f"        results__ = self.{name}(dt, *given__)",
    ]


def _private(emission: Emission, name: str) -> list[str]:
    """The head of a private method: what depends on parameters alone, then all that is fixed over the steps."""
    body, prologue = emission.optimised["step"][0], emission.lowered.prologue
    first, ready = emission.fields[0], _ready(emission)
    taken = [*floats(emission), *emission.fields, *inputs_of(emission)]
    lines = [f"def {name}(self, {', '.join(f'{n}: Tensor' for n in taken)}) -> tuple[Tensor, ...]:"]
    if prologue is not None and prologue.body:
        given = ", ".join(
            a.name if a.name in ready else value(emission, a.name, a.kind, first) for a in prologue.inputs
        )
        lines.append(f"    {', '.join(prologue.outputs)}, = reference.prologue({given})")
    fixed = arguments(emission, body, first, emission.fields, ready)
    return [*lines, "    fixed__ = (", *(f"        {value}," for value in fixed), "    )"]
