"""How a layer is set up: its steps and time step, or the tolerances of its solve."""

from __future__ import annotations

from collections.abc import Sequence

from metrigen.layers.layer import Layer
from metrigen.package.arguments import floats, parameters, time_step
from metrigen.package.fourier import limit_value


def steps_lines(layer: Layer) -> list[str]:
    """Lines of ``__init__`` that set the number of steps."""
    return [f"self.steps = {layer.source.spec.system.stepper.steps} if steps is None else steps"]


def dt_lines(layer: Layer) -> list[str]:
    """Lines of ``__init__`` that set the time step, or the start of a learned one."""
    kind, value = time_step(layer)
    if kind == "number":
        return [f"self.dt = {value} if dt is None else dt"]
    if kind == "parameter":
        return []  # it is made with its start
    return ["if dt is not None:", f'    raise ValueError("dt is an expression of parameters: {value}")']


def limit_lines(layer: Layer) -> list[str]:
    """Lines of ``__init__`` that tell of a time step above its limit, where that is known at the declared start."""
    if not layer.shape.stepping or time_step(layer)[0] == "expression":
        return []
    limit = limit_value(layer.source.derivation, {})
    return [] if limit is None else [f"warn_above_limit(self, dt, {float(f'{limit:.6g}')!r})"]


def tolerance_lines(layer: Layer) -> list[str]:
    """Lines of ``__init__`` that set when a solve stops."""
    integrator = layer.source.spec.system.solver
    return [
        f'self.rtol = {integrator.rtol!r} if rtol is None else as_tolerance(rtol, "rtol")',
        'self.bwd_rtol = self.rtol if bwd_rtol is None else as_tolerance(bwd_rtol, "bwd_rtol")',
        f'self.atol = {float(integrator.atol)!r} if atol is None else as_tolerance(atol, "atol")',
        f'self.max_iter = {integrator.max_iter} if max_iter is None else as_count(max_iter, "max_iter", 1)',
    ]


def learned_step(layer: Layer) -> str:
    """The name of the parameter that is the time step, or nothing."""
    kind, value = ("", "") if layer.source.spec.system.solves else time_step(layer)
    return value if kind == "parameter" else ""


def dt_argument(layer: Layer) -> str:
    """The time step among the arguments of the constructor: one that is not learned may be a tensor."""
    return "dt: float | Tensor | None = None" if floats(layer) else "dt: float | None = None"


def config_constants(layer: Layer, sizes: Sequence[str]) -> list[tuple[str, str]]:
    """What the class of a layer says of its settings: names of the arguments that ``config`` holds, those that decide
    the dynamics, and the spec."""
    solve = ("solver", "rtol", "bwd_rtol", "atol", "max_iter")
    dynamics = ("steps", *floats(layer)) if layer.shape.stepping else solve
    config = ("channels", "backend", *sizes, *dynamics)
    return [("CONFIG", repr(config)), ("DYNAMICS", repr(dynamics)), ("SPEC", f'"{layer.source.spec.sha256[:16]}"')]


def is_reversible(layer: Layer) -> bool:
    """Whether the time step may be negative."""
    return layer.shape.stepping and layer.source.spec.system.stepper.is_reversible(layer.source.derivation)


def steps_doc(layer: Layer) -> list[str]:
    """What the docstring of the layer says of steps and dt."""
    integrator = layer.source.spec.system.stepper
    kind, value = time_step(layer)
    start = {"number": value, "parameter": f"the learned {value}", "expression": value}[kind]
    sets = "; sets the start of the learned one" if kind == "parameter" else ""
    sets = ", or a tensor () or (B,), one number a sample; may be set later" if kind == "number" else sets
    return [
        f"steps     steps of {type(integrator).__name__} (default {integrator.steps})",
        f"dt        time step (default {start}){sets}",
    ]


def momenta(layer: Layer) -> list[str]:
    """The fields that start at zero where they are not given."""
    found = {layer.lowered.dynamics.array(p) for p in layer.lowered.dynamics.derivation.momenta.values()}
    return [f for f in layer.lowered.fields[1:] if f in found]


def field_signature(layer: Layer) -> str:
    """The fields of the signature of ``forward``."""
    optional = momenta(layer)
    return ", ".join(f"{f}: Tensor" + (" | None = None" if f in optional else "") for f in layer.lowered.fields)


def making_lines(layer: Layer, learned_step: str) -> list[str]:
    """Lines of ``__init__`` that make the parameters, the learned time step at the start that is given for it."""
    start = f", {learned_step}=dt" if learned_step else ""
    return [f"register_parameters(self, init, device, dtype{start})"] if parameters(layer) else []


def fields_given(layer: Layer) -> tuple[str, list[str]]:
    """``field_signature``, and the lines that start a momentum that is not given at zero."""
    given = f"    check_fields({', '.join(f'{f}={f}' for f in layer.lowered.fields)})"
    first = layer.lowered.fields[0]
    starts = [f"    {f} = torch.zeros_like({first}) if {f} is None else {f}" for f in momenta(layer)]
    return field_signature(layer), [given, *starts]
