"""How a layer is set up: its steps and time step, or the tolerances of its solve."""

from __future__ import annotations

from collections.abc import Sequence

from metrigen.layer.layer import Emission
from metrigen.package.arguments import floats, time_step
from metrigen.package.waves import limit_value


def steps_lines(emission: Emission) -> list[str]:
    """Lines of ``__init__`` that set the number of steps."""
    return [
        f'self.steps = {emission.spec.system.stepper.steps} if steps is None else as_count(steps, "steps", 0)',
    ]


def dt_lines(emission: Emission) -> list[str]:
    """Lines of ``__init__`` that set the time step, or the start of a learned one."""
    kind, value = time_step(emission)
    if kind == "number":
        return [f"self.dt = {value} if dt is None else dt"]
    if kind == "parameter":
        return ["if dt is not None:", f"    self.{value} = dt"]
    return ["if dt is not None:", f'    raise ValueError("dt is an expression of parameters: {value}")']


def limit_lines(emission: Emission) -> list[str]:
    """Lines of ``__init__`` that tell of a time step above its limit, where that is known at the declared start."""
    if not emission.stepping or time_step(emission)[0] == "expression":
        return []
    limit = limit_value(emission.derivation, {})
    return [] if limit is None else [f"told(self, dt, {float(f'{limit:.6g}')!r})"]


def tolerance_lines(emission: Emission) -> list[str]:
    """Lines of ``__init__`` that set when a solve stops."""
    integrator = emission.spec.system.solver
    return [
        f"self.rtol = {integrator.rtol!r} if rtol is None else rtol",
        "self.bwd_rtol = self.rtol if bwd_rtol is None else bwd_rtol",
        f"self.atol = {float(integrator.atol)!r} if atol is None else atol",
        f"self.max_iter = {integrator.max_iter} if max_iter is None else max_iter",
    ]


def dt_argument(emission: Emission) -> str:
    """The time step among the arguments of the constructor: one that is not learned may be a tensor."""
    return "dt: float | Tensor | None = None" if floats(emission) else "dt: float | None = None"


def config_constants(emission: Emission, sizes: Sequence[str]) -> list[tuple[str, str]]:
    """What the class of a layer says of its settings: names of the arguments that ``config`` holds, those that decide
    the dynamics, and the spec."""
    solve = ("solver", "rtol", "bwd_rtol", "atol", "max_iter")
    dynamics = ("steps", *floats(emission)) if emission.stepping else solve
    config = ("channels", "backend", *sizes, *dynamics)
    return [("CONFIG", repr(config)), ("DYNAMICS", repr(dynamics)), ("SPEC", f'"{emission.spec.sha256[:16]}"')]


def is_reversible(emission: Emission) -> bool:
    """Whether the time step may be negative."""
    return emission.stepping and emission.spec.system.stepper.is_reversible(emission.derivation)


def steps_doc(emission: Emission) -> list[str]:
    """What the docstring of the layer says of steps and dt."""
    integrator = emission.spec.system.stepper
    kind, value = time_step(emission)
    start = {"number": value, "parameter": f"the learned {value}", "expression": value}[kind]
    sets = "; sets the start of the learned one" if kind == "parameter" else ""
    sets = ", or a tensor () or (B,), one number a sample; may be set later" if kind == "number" else sets
    return [
        f"steps     steps of {type(integrator).__name__} (default {integrator.steps})",
        f"dt        time step (default {start}){sets}",
    ]


def momenta(emission: Emission) -> list[str]:
    """The fields that start at zero where they are not given."""
    found = {emission.lowered.dynamics.array(p) for p in emission.derivation.momenta.values()}
    return [f for f in emission.fields[1:] if f in found]


def field_signature(emission: Emission) -> str:
    """The fields of the signature of ``forward``."""
    optional = momenta(emission)
    return ", ".join(f"{f}: Tensor" + (" | None = None" if f in optional else "") for f in emission.fields)


def fields_given(emission: Emission) -> tuple[str, list[str]]:
    """``field_signature``, and the lines that start a momentum that is not given at zero."""
    given = f"    check_fields({', '.join(f'{f}={f}' for f in emission.fields)})"
    first = emission.fields[0]
    starts = [f"    {f} = torch.zeros_like({first}) if {f} is None else {f}" for f in momenta(emission)]
    return field_signature(emission), [given, *starts]
