"""What ``module.py`` of a layer on a lattice has of its own: settings, parameters and methods."""

from __future__ import annotations

from metrigen.discretise.steady_programs import LinearSteady, NonlinearSteady
from metrigen.emit.render import tuple_text
from metrigen.ir.implicit import Equation
from metrigen.layers.fused_readout import fused_readout
from metrigen.layers.layer import Layer
from metrigen.package import neural
from metrigen.package.arguments import (
    arguments,
    floats,
    inputs_of,
    lives_on,
    noises,
    per_site,
    spread,
    timed,
)
from metrigen.package.assembly import Package, backend_constants
from metrigen.package.call_docs import sites, solve_doc, written
from metrigen.package.checks import declarations, watched
from metrigen.package.module import Parts, indented
from metrigen.package.readouts import clocked, density_method, diagnostic_methods, exactly, readout_method
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
from metrigen.package.stepping import forward_readout, forward_steps, rollout_readout
from metrigen.package.surface import field_constants


def lattice_parts(package: Package) -> Parts:
    """What a layer on a lattice has of its own."""
    layer = package.layer
    return Parts(
        about=". Equations, laws and stencils: DERIVATION.md beside this file.",
        axes=layer.shape.axes,
        base=", ".join([*["Noisy"] * bool(noises(layer)), *["Stepping"] * layer.shape.stepping, "LatticeLayer"]),
        state_doc=_state_doc(layer),
        class_doc=_class_doc(package),
        constants=_constants(package),
        arguments=_init_args(layer),
        making=_init_lines(layer),
        methods=_methods(package),
    )


def _constants(package: Package) -> list[tuple[str, str]]:
    """What the class says of itself to what every layer shares."""
    layer = package.layer
    found = [("RANK", repr(layer.shape.rank)), *field_constants(layer)]
    if layer.shape.stepping:
        found += [("FREE", "True")] if floats(layer) else []
        found += [("BACKWARD", "True")] if is_reversible(layer) else []
        found += (
            [("ALONE", "True")] if floats(layer) and (layer.programs.constraints or layer.programs.equations) else []
        )
        driven = tuple(n for n in layer.lowered.driven if n != "t" and n not in noises(layer))
        found += [("DRIVEN", repr(driven))] if driven else []
        found += [("NOISE", repr(noises(layer)))] if noises(layer) else []
        found += [("TIMED", "True")] if timed(layer) else []
        found += clocked(layer)
    found += [("SAMPLES", repr(tuple(layer.given.of_samples)))] if layer.given.of_samples else []
    found += [("ON", repr(on))] if (on := lives_on(layer)) else []
    found += config_constants(layer, ["sites"] if per_site(layer) else [])
    found += declarations(layer.source.derivation, inputs_of(layer))
    return [*found, *backend_constants(package)]


def _init_args(layer: Layer) -> list[str]:
    args = [*neural.init_args(layer), "steps: int | None = None", dt_argument(layer)]
    if layer.source.spec.system.solves:
        args += ["solver: str | None = None", "rtol: float | None = None", "bwd_rtol: float | None = None",
                 "atol: float | None = None", "max_iter: int | None = None"]  # fmt: skip
    if per_site(layer):
        args.append("sites: tuple[int, ...]")
    return args


def _init_lines(layer: Layer) -> list[str]:
    lines = neural.init_lines(layer)
    if layer.source.spec.system.solves:
        lines += [
            "if steps is not None or dt is not None:",
            '    raise ValueError("a steady state has no steps and no dt")',
            f'self.solver = "{layer.source.spec.system.solver.solver}" if solver is None else solver',
            f"if self.solver not in {_solvers(layer)}:",
            f'    raise ValueError(f"solver={{self.solver!r}} is not one of {_solvers(layer)}")',
            *tolerance_lines(layer),
        ]
    else:
        lines += steps_lines(layer)
    if per_site(layer):
        lines.append("self.sites = tuple(sites)")
    lines += making_lines(layer, learned_step(layer))
    return lines + dt_lines(layer) + limit_lines(layer) if layer.shape.stepping else lines


def _solvers(layer: Layer) -> tuple[str, ...]:
    evolution = layer.lowered.evolution
    if isinstance(evolution, LinearSteady):
        return ("cg", "monotone") if evolution.monotone else ("cg",)
    return ("newton",)


def _methods(package: Package) -> list[str]:
    layer = package.layer
    forward = forward_steps(package) if layer.shape.stepping else _forward_steady(package)
    found = fused_readout(layer)
    forward += forward_readout(layer, found) if found and package.registers("evolve_readout") else []
    forward += rollout_readout(layer, found) if found and package.registers("rollout_readout") else []
    lines = ["", *forward, *readout_method(package), *density_method(layer, "energy")]
    if "entropy" in layer.programs:
        lines += density_method(layer, "entropy")
    lines += diagnostic_methods(layer)
    return indented(watched(exactly(lines, layer.shape.stepping)))


def _forward_steady(package: Package) -> list[str]:
    layer = package.layer
    steady = layer.lowered.evolution
    if isinstance(steady, NonlinearSteady):
        return _forward_minimum(package, steady.equation)
    assert isinstance(steady, LinearSteady)
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
        "    options = self.solver, float(self.rtol), float(self.bwd_rtol), float(self.atol), int(self.max_iter)",
        "    solution, iterations, residual, status = operators.solve(rhs.contiguous(), start, *fixed, *options, "
        'self.backend != "torch")',
        f"    return {layer.source.class_name}State(solution.to(dtype), iterations, residual.detach(), status)",
        "",
    ]


def _forward_minimum(package: Package, equation: Equation) -> list[str]:
    layer = package.layer
    made = f"reference.{layer.programs.equations[equation].upper()}"
    kernels = [
        '    if self.backend != "torch" and not transformed():',
        "        self._insist(like)",
        "        equation = equation._replace(kernels=self.OPERATORS.solver(like))",
    ]
    fixed = arguments(layer, equation.residual, "like", layer.lowered.fields)
    return [
        *_forward_head(layer, "||dF||"),
        f"    fixed = {tuple_text(fixed)}",
        "    start = torch.zeros_like(like)",
        "    if warm_start is not None:",
        '        start = self._site(warm_start, like, "warm_start").detach()',
        "    options = float(self.rtol), float(self.bwd_rtol), float(self.atol), int(self.max_iter)",
        f"    equation = {made}",
        *(kernels if package.registered else []),
        "    found = reference.minimum(equation, start, fixed, *options)",
        f'    solution, iterations, residual, status = reported(found, self.max_iter, "{layer.source.class_name}")',
        f"    return {layer.source.class_name}State(solution.to(dtype), iterations, residual, status)",
        "",
    ]


def _forward_head(layer: Layer, size: str) -> list[str]:
    """The head of a solve; inputs tell its lattice, or the field that it starts from."""
    names = inputs_of(layer)
    start = "warm_start: Tensor | None = None" if names else "warm_start: Tensor"
    joined = ", ".join(spread(layer, n) for n in names) or "warm_start"
    return [
        f"def forward(self{''.join(f', {n}: Tensor' for n in names)}, *, {start}) -> {layer.source.class_name}State:",
        *written(solve_doc(layer, size)),
        f"    like, dtype = self._frame({joined})",
    ]


def _state_doc(layer: Layer) -> str:
    shape = f"(B, C{sites(layer)})"
    if layer.programs.implicit:
        return f"Fields {shape}; iterations, largest residual and status (0 solved, 1 not) of the steps (B,)."
    if layer.shape.stepping:
        return f"Fields {shape}."
    return f"The field {shape}; iterations, residual norm and status (0 converged, 1 gave up, -1 not positive) (B,)."


def _class_doc(package: Package) -> str:
    layer = package.layer
    lines = ["channels  number C of channels of every field", *neural.class_doc(layer)]
    if layer.shape.stepping:
        lines += steps_doc(layer)
    else:
        lines += [
            f"solver    {' or '.join(_solvers(layer))} (default {layer.source.spec.system.solver.solver})",
            "rtol, atol, max_iter  stop at ||r|| <= max(rtol ||b||, atol), give up after max_iter",
            "bwd_rtol  tolerance of the solve in the backward pass (default rtol)",
        ]
    return "\n".join([*lines, package.option_doc])
