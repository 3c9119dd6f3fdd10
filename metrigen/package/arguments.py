"""What the methods of a module pass to its programs: which arrays are handed in, learned, or made on the spot."""

from __future__ import annotations

import re

import sympy as sp

from metrigen.ir.nodes import Kind, Program
from metrigen.layers.layer import Layer
from metrigen.package.parameters import ParameterText, parameter_text
from metrigen.spec.symbols import InputFunction, Param


def parameters(layer: Layer) -> list[ParameterText]:
    """What the class says of the learned parameters."""
    return [parameter_text(symbol) for symbol in layer.given.parameters.values()]


def per_site(layer: Layer) -> list[str]:
    return [
        n for n, s in layer.given.parameters.items() if isinstance(s, Param) and s.per == "site" and not s.is_matrix
    ]


def axes(layer: Layer) -> list[str]:
    names = [axis.name for axis in layer.source.spec.system.domain.axes]
    return [a.name for a in layer.lowered.dynamics.inputs if a.name in names and a.name not in layer.given.parameters]


def inputs_of(layer: Layer) -> list[str]:
    """Arrays that ``forward`` is handed: inputs of the spec, no coordinates, no learned maps."""
    own = {*per_site(layer), *axes(layer)}
    return [a.name for a in layer.lowered.dynamics.inputs if a.name not in own]


def noises(layer: Layer) -> dict[str, str]:
    """Array of the standard normal numbers of a step -> the field that they move; empty without a temperature."""
    return {a.name: field for field, a in layer.lowered.dynamics.noise.items()}


def handed_in(layer: Layer) -> list[str]:
    """What a step is handed beside the state: inputs of the spec, and noise."""
    return [*inputs_of(layer), *noises(layer)]


def lives_on(layer: Layer) -> dict[str, tuple[bool, ...]]:
    """An input that lives on some of the axes of the fields -> for each axis whether it has it: it may be handed in
    without the others, which it gets as axes of length one."""
    found = {f.func.__name__: f for e in layer.given.expressions for f in e.atoms(InputFunction)}
    axes_of_fields = layer.source.spec.system.domain.axes
    kept = {name: tuple(axis in f.args for axis in axes_of_fields) for name, f in sorted(found.items())}
    return {name: on for name, on in kept.items() if not all(on) and name in inputs_of(layer)}


def spread(layer: Layer, name: str) -> str:
    """Expression of an input with all axes of the fields."""
    if name in layer.given.of_samples:
        return f"of_sample({name}, {layer.shape.axes}, {name!r})"
    kept = lives_on(layer).get(name)
    if kept is None:
        return name
    index = ", ".join([":", ":", *(":" if has else "None" for has in kept)])
    return f"({name}[{index}] if {name}.dim() == {2 + sum(kept)} else {name})"


def time_step(layer: Layer) -> tuple[str, str]:
    """("parameter", name), ("number", value) or ("expression", text) of the time step."""
    dt = layer.source.spec.system.stepper.dt
    if dt.is_number:
        return "number", repr(float(dt))
    return ("parameter", dt.name) if dt.is_Symbol else ("expression", str(dt))


def floats(layer: Layer) -> list[str]:
    """Scalars of the step that are plain numbers: a time step that is not learned."""
    return ["dt"] if layer.shape.stepping and time_step(layer)[0] == "number" else []


def timed(layer: Layer) -> bool:
    """Whether what the layer computes depends on the time by itself."""
    return layer.shape.stepping and layer.lowered.dynamics.timed


def step_length(layer: Layer) -> str:
    """Expression of the time step in a method of the layer that is handed one that is not learned."""
    if floats(layer):
        return "dt"
    return re.sub(r"[A-Za-z_]\w*", r"self.\g<0>", str(sp.N(layer.source.spec.system.stepper.dt)))


def value(layer: Layer, name: str, kind: Kind, like: str) -> str:
    """Expression of one argument of an operator inside a method, in the dtype of the state."""
    if kind is Kind.SITE:
        if name in axes(layer):
            axis = [a.name for a in layer.source.spec.system.domain.axes].index(name)
            return f"self._coordinate({like}, {axis}, {float(layer.source.spec.system.lattice.spacing)!r})"
        if name in per_site(layer):
            return f"self._site(self.{name}.unsqueeze(0), {like}, {name!r})"
        return f"self._site({name}, {like}, {name!r})"
    if name in floats(layer):
        return f"step_of(self.{name}, {like})"
    if name == "t":
        return f"moment(t, {like})"
    return f"as_dtype(self.{name}, {like}.dtype)"


def arguments(
    layer: Layer, program: Program, like: str, skip: tuple[str, ...] = (), ready: tuple[str, ...] = ()
) -> list[str]:
    """Expressions of the arguments of a program but those in ``skip``; those in ``ready`` are variables at hand."""
    made = {*layer.lowered.fields, *ready, *layer.lowered.prologue.outputs}
    return [
        a.name if a.name in made else value(layer, a.name, a.kind, like) for a in program.inputs if a.name not in skip
    ]


def input_signature(layer: Layer, optional: bool, moving: bool = False) -> str:
    """Inputs by keyword, and with ``moving`` the time."""
    names = [f"{n}: Tensor" + (" | None = None" if optional else "") for n in inputs_of(layer)]
    names += ["t: float | Tensor = 0.0"] if moving else []
    return ", *, " + ", ".join(names) if names else ""
