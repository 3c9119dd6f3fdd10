"""The text of ``module.py``: operators, parameters and the methods of the layer."""

from __future__ import annotations

from metrigen.emit.render import render, tuple_text
from metrigen.ir.implicit import Equation
from metrigen.ir.queries import learned_in
from metrigen.layers.fields import FieldLayer
from metrigen.layers.joint import joint
from metrigen.package import neural
from metrigen.package.arguments import (
    arguments,
    floats,
    inputs_of,
    lives_on,
    noises,
    parameters,
    per_site,
    spread,
    timed,
)
from metrigen.package.assembly import Package, backend_constants
from metrigen.package.base import with_imports
from metrigen.package.call_docs import solve_doc, written
from metrigen.package.checks import declarations, watched
from metrigen.package.reading import clocked, density_method, diagnostic_methods, exactly, readout_method
from metrigen.package.settings import (
    config_constants,
    dt_argument,
    dt_lines,
    is_reversible,
    learned_step,
    limit_lines,
    making_lines,
    steps_doc,
    steps_lines,
    tolerance_lines,
)
from metrigen.package.stepping import forward_readout, forward_steps
from metrigen.package.surface import field_constants


def module_text(package: Package[FieldLayer], header: str) -> str:
    """The layer itself."""
    layer = package.layer
    text = render(
        "module.py.j2",
        header=header,
        title=layer.class_name,
        class_name=layer.class_name,
        base=", ".join([*["Noisy"] * bool(noises(layer)), *["Stepping"] * layer.stepping, "LatticeLayer"]),
        noisy=bool(noises(layer)),
        modules=", ".join([*(["operators"] if package.registered else []), "reference"]),
        partial=bool(layer.stepping and (learned_in(layer.programs["step"]) or layer.reports)),
        stepping=layer.stepping,
        learned=bool(layer.learned),
        networks=bool(layer.networks),
        plain_parameters=len(layer.parameters) > 2 * len(layer.networks),
        components=repr(layer.lowered.components),
        fields=layer.fields,
        axes=layer.axes,
        reports=not layer.stepping or layer.reports,
        state_doc=_state_doc(layer),
        class_doc=_class_doc(package),
        constants=_constants(package),
        init_args=_init_args(layer),
        init_lines=_init_lines(layer),
        parameters=parameters(layer),
        methods=_methods(package),
        told=bool(limit_lines(layer)),
        number_step=bool(floats(layer)),
        reversible=is_reversible(layer),
    )  # fmt: skip
    return with_imports(text)


def _constants(package: Package[FieldLayer]) -> list[tuple[str, str]]:
    """What the class says of itself to what every layer shares."""
    layer = package.layer
    found = [("RANK", repr(layer.rank)), *field_constants(layer)]
    if layer.stepping:
        found += [("FREE", "True")] if floats(layer) else []
        found += [("BACKWARD", "True")] if is_reversible(layer) else []
        found += [("ALONE", "True")] if floats(layer) and (layer.constraints or layer.equations) else []
        driven = tuple(n for n in layer.lowered.driven if n != "t" and n not in noises(layer))
        found += [("DRIVEN", repr(driven))] if driven else []
        found += [("NOISE", repr(noises(layer)))] if noises(layer) else []
        found += [("TIMED", "True")] if timed(layer) else []
        found += clocked(layer)
    found += [("SAMPLES", repr(tuple(layer.of_samples)))] if layer.of_samples else []
    found += [("ON", repr(on))] if (on := lives_on(layer)) else []
    found += config_constants(layer, ["sites"] if per_site(layer) else [])
    found += declarations(layer, inputs_of(layer))
    return [*found, *backend_constants(package)]


def _init_args(layer: FieldLayer) -> list[str]:
    args = [*neural.init_args(layer), "steps: int | None = None", dt_argument(layer)]
    if layer.spec.system.solves:
        args += ["solver: str | None = None", "rtol: float | None = None", "bwd_rtol: float | None = None",
                 "atol: float | None = None", "max_iter: int | None = None"]  # fmt: skip
    if per_site(layer):
        args.append("sites: tuple[int, ...]")
    return args


def _init_lines(layer: FieldLayer) -> list[str]:
    lines = neural.init_lines(layer)
    if layer.spec.system.solves:
        lines += [
            "if steps is not None or dt is not None:",
            '    raise ValueError("a steady state has no steps and no dt")',
            f'self.solver = "{layer.spec.system.solver.solver}" if solver is None else solver',
            f"if self.solver not in {_solvers(layer)}:",
            f'    raise ValueError(f"solver={{self.solver!r}} is not one of {_solvers(layer)}")',
            *tolerance_lines(layer),
        ]
    else:
        lines += steps_lines(layer)
    if per_site(layer):
        lines.append("self.sites = tuple(sites)")
    lines += making_lines(layer, learned_step(layer))
    return lines + dt_lines(layer) + limit_lines(layer) if layer.stepping else lines


def _solvers(layer: FieldLayer) -> tuple[str, ...]:
    if layer.lowered.minimum is not None:
        return ("newton",)
    stencil = layer.lowered.steady.stencil if layer.lowered.steady else None
    return ("cg", "monotone") if stencil and stencil.monotone else ("cg",)


def _methods(package: Package[FieldLayer]) -> list[str]:
    layer = package.layer
    forward = forward_steps(package) if layer.stepping else _forward_steady(package)
    found = joint(layer)
    forward += forward_readout(layer, found) if found and package.registers("evolve_readout") else []
    lines = ["", *forward, *readout_method(package), *density_method(layer, "energy")]
    if layer.lowered.entropy is not None:
        lines += density_method(layer, "entropy")
    lines += diagnostic_methods(layer)
    lines = watched(exactly(lines, layer.stepping))
    return [f"    {line}" if line else "" for line in lines]


def _forward_steady(package: Package[FieldLayer]) -> list[str]:
    layer = package.layer
    if layer.lowered.minimum is not None:
        return _forward_minimum(package, layer.lowered.minimum)
    steady = layer.lowered.steady
    assert steady is not None
    operator, source = layer.programs["operator"], layer.programs["source"]
    fixed = arguments(layer, operator, "like", (steady.unknown,))
    given = ["like", *arguments(layer, source, "like", (steady.unknown,))]
    return [
        *_forward_head(layer, "||r||"),
        "    if transformed():",
        '        raise RuntimeError("a steady state has no torch.func transforms and no forward-mode derivative")',
        "    self._insist(like)",
        f"    fixed = {tuple_text(fixed)}",
        f"    (rhs,) = reference.source({', '.join(given)})",
        "    start = torch.zeros_like(rhs)",
        "    if warm_start is not None:",
        '        start = self._site(warm_start, rhs, "warm_start").detach().contiguous()',
        "    options = self.solver, self.rtol, self.bwd_rtol, self.atol, self.max_iter",
        "    solution, iterations, residual, status = operators.solve(rhs.contiguous(), start, *fixed, *options, "
        'self.backend != "torch")',
        f"    return {layer.class_name}State(solution.to(dtype), iterations, residual.detach(), status)",
        "",
    ]


def _forward_minimum(package: Package[FieldLayer], equation: Equation) -> list[str]:
    layer = package.layer
    made = f"reference.{layer.equations[equation].upper()}"
    kernels = [f"    equation = {made}", '    if self.backend != "torch" and not transformed():',
               "        self._insist(like)",
               "        equation = equation._replace(kernels=self.OPERATORS.solver(like))"]  # fmt: skip
    fixed = arguments(layer, equation.residual, "like", layer.fields)
    return [
        *_forward_head(layer, "||dF||"),
        f"    fixed = {tuple_text(fixed)}",
        "    start = torch.zeros_like(like)",
        "    if warm_start is not None:",
        '        start = self._site(warm_start, like, "warm_start").detach()',
        "    options = self.rtol, self.bwd_rtol, self.atol, self.max_iter",
        *(kernels if package.registered else [f"    equation = {made}"]),
        "    found = reference.minimum(equation, start, fixed, *options)",
        f'    solution, iterations, residual, status = reported(found, self.max_iter, "{layer.class_name}")',
        f"    return {layer.class_name}State(solution.to(dtype), iterations, residual, status)",
        "",
    ]


def _forward_head(layer: FieldLayer, size: str) -> list[str]:
    """The head of a solve; inputs tell its lattice, or the field that it starts from."""
    names = inputs_of(layer)
    start = "warm_start: Tensor | None = None" if names else "warm_start: Tensor"
    joined = ", ".join(spread(layer, n) for n in names) or "warm_start"
    return [
        f"def forward(self{''.join(f', {n}: Tensor' for n in names)}, *, {start}) -> {layer.class_name}State:",
        *written(solve_doc(layer, size)),
        f"    like, dtype = self._frame({joined})",
    ]


def _state_doc(layer: FieldLayer) -> str:
    shape = "(B, C, *S)" if layer.rank else "(B, C)"
    if layer.reports:
        return f"Fields {shape}; iterations, largest residual and status (0 solved, 1 not) of the steps (B,)."
    if layer.stepping:
        return f"Fields {shape}."
    return f"The field {shape}; iterations, residual norm and status (0 converged, 1 gave up, -1 not positive) (B,)."


def _class_doc(package: Package[FieldLayer]) -> str:
    layer = package.layer
    lines = ["channels  number C of channels of every field", *neural.class_doc(layer)]
    if layer.stepping:
        lines += steps_doc(layer)
    else:
        lines += [
            f"solver    {' or '.join(_solvers(layer))} (default {layer.spec.system.solver.solver})",
            "rtol, atol, max_iter  stop at ||r|| <= max(rtol ||b||, atol), give up after max_iter",
            "bwd_rtol  tolerance of the solve in the backward pass (default rtol)",
        ]
    return "\n".join([*lines, package.option_doc])
