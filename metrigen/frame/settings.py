"""How a layer is set up: its steps and time step, or the tolerances of its solve."""

from __future__ import annotations

from collections.abc import Sequence

from metrigen.frame.arguments import floats, time_step
from metrigen.frame.emission import Emission
from metrigen.frame.parameters import ParameterText
from metrigen.frame.waves import limit_value


def helpers_of(texts: Sequence[ParameterText]) -> dict[str, bool]:
    """Which of the small functions of the template the parameters call."""
    return {
        "positive": any("_positive" in p.read for p in texts),
        "bounded": any("_inverse_between" in p.write for p in texts),
        "softplus": any("_inverse_softplus" in p.write for p in texts),
        "off": any("_inverse_" in p.write for p in texts),
        "symmetric": any("_mirrored" in p.write or "_both_ways" in p.write for p in texts),
        "blocks": any(p.block is not None for p in texts),
    }


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


def config_lines(emission: Emission, sizes: Sequence[str]) -> dict[str, object]:
    """What the template of a layer says of its settings: names of the arguments that ``config`` holds, those that
    decide the dynamics, and whether the time step is a number that may be negative."""
    if emission.stepping:
        dynamics: tuple[str, ...] = ("steps", *(("dt",) if floats(emission) else ()))
        integrator = emission.spec.system.stepper
        reversible = integrator.is_reversible(emission.derivation)
    else:
        dynamics, reversible = ("solver", "rtol", "bwd_rtol", "atol", "max_iter"), False
    return {
        "config": ("channels", "backend", *sizes, *dynamics), "dynamics": dynamics, "reversible": reversible,
        "number_step": bool(floats(emission)), "spec_hash": emission.spec.sha256[:16],
    }  # fmt: skip


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


def fields_given(emission: Emission) -> tuple[str, list[str]]:
    """The fields of the signature of ``forward``, and the lines that start a momentum that is not given at zero."""
    first, *others = emission.fields
    layer = emission.lowered.dynamics
    momenta = {layer.array(p) for p in emission.derivation.momenta.values()}
    optional = [f for f in others if f in momenta]
    typed = [f"{f}: Tensor" + (" | None = None" if f in optional else "") for f in emission.fields]
    given = f"    check_fields({', '.join(f'{f}={f}' for f in emission.fields)})"
    starts = [f"    {f} = torch.zeros_like({first}) if {f} is None else {f}" for f in optional]
    return ", ".join(typed), [given, *starts]
