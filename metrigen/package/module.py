"""The text of ``module.py``: operators, parameters and the methods of the layer."""

from __future__ import annotations

from metrigen.backends.triton import obstacles as without_triton
from metrigen.emit.render import render
from metrigen.ir.implicit import Equation
from metrigen.ir.queries import learned_in
from metrigen.layer.layer import Emission
from metrigen.package import neural
from metrigen.package.arguments import (
    arguments,
    floats,
    inputs_of,
    parameters,
    per_site,
    spread,
    tuple_text,
)
from metrigen.package.base import with_imports
from metrigen.package.checks import declarations, watched
from metrigen.package.joint import joint
from metrigen.package.reading import density_method, diagnostic_methods, exactly, readout_method
from metrigen.package.settings import (
    config_constants,
    dt_argument,
    dt_lines,
    is_reversible,
    limit_lines,
    momenta,
    steps_doc,
    steps_lines,
    tolerance_lines,
)
from metrigen.package.stepping import forward_readout, forward_steps, reports


def module_text(emission: Emission, header: str) -> str:
    """The layer itself."""
    text = render(
        "module.py.j2",
        header=header,
        title=emission.class_name,
        class_name=emission.class_name,
        base="LatticeLayer",
        modules=", ".join([*(["cpu"] if reports(emission) and emission.cpu else []),
                           *(["operators"] if emission.has_operators else []), "reference"]),
        partial=bool(emission.stepping and (learned_in(emission.optimised["step"][0]) or reports(emission))),
        learned=bool(emission.learned),
        components=repr(emission.lowered.components),
        fields=emission.fields,
        reports=not emission.stepping or reports(emission),
        state_doc=_state_doc(emission),
        class_doc=_class_doc(emission),
        constants=_constants(emission),
        init_args=_init_args(emission),
        init_lines=_init_lines(emission),
        parameters=parameters(emission),
        methods=_methods(emission),
        told=bool(limit_lines(emission)),
        number_step=bool(floats(emission)),
        reversible=is_reversible(emission),
    )  # fmt: skip
    return with_imports(text)


def _constants(emission: Emission) -> list[tuple[str, str]]:
    """What the class says of itself to what every layer shares."""
    state = f"{emission.class_name}State"
    found = [("RANK", repr(emission.rank)), ("STATE", state), ("FIELDS", repr(emission.fields))]
    if emission.stepping:
        zero = momenta(emission)
        found += [("ZERO", repr(tuple(zero)))] if zero else []
        found += [("FREE", "True")] if floats(emission) else []
        found += [("ALONE", "True")] if floats(emission) and (emission.operators or emission.equations) else []
    found += config_constants(emission, ["sites"] if per_site(emission) else [])
    found += declarations(emission, inputs_of(emission))
    found.append(("BACKENDS", repr(_backends(emission))))
    if emission.without_triton:
        found.append(("WITHOUT", repr(without_triton.obstacle(emission))))
    return [*found, ("OPERATORS", "operators.OPERATORS")] if emission.has_operators else found


def _backends(emission: Emission) -> tuple[str, ...]:
    if emission.without_triton:
        return ("auto", "cpu", "torch") if emission.cpu else ("auto", "torch")
    return ("auto", "triton", "cpu", "torch") if emission.cpu else ("auto", "triton", "torch")


def _init_args(emission: Emission) -> list[str]:
    args = [*neural.init_args(emission), "steps: int | None = None", dt_argument(emission)]
    if emission.spec.system.solves:
        args += ["solver: str | None = None", "rtol: float | None = None", "bwd_rtol: float | None = None",
                 "atol: float | None = None", "max_iter: int | None = None"]  # fmt: skip
    if per_site(emission):
        args.append("sites: tuple[int, ...]")
    return args


def _init_lines(emission: Emission) -> list[str]:
    lines = neural.init_lines(emission)
    if emission.spec.system.solves:
        lines += [
            "if steps is not None or dt is not None:",
            '    raise ValueError("a steady state has no steps and no dt")',
            f'self.solver = "{emission.spec.system.solver.solver}" if solver is None else solver',
            f"if self.solver not in {_solvers(emission)}:",
            f'    raise ValueError(f"solver={{self.solver!r}} is not one of {_solvers(emission)}")',
            *tolerance_lines(emission),
        ]
    else:
        lines += steps_lines(emission)
    if per_site(emission):
        lines.append("self.sites = tuple(sites)")
    lines += ["register_parameters(self)"] if parameters(emission) else []
    return lines + dt_lines(emission) + limit_lines(emission) if emission.stepping else lines


def _solvers(emission: Emission) -> tuple[str, ...]:
    if emission.lowered.minimum is not None:
        return ("newton",)
    stencil = emission.lowered.steady.stencil if emission.lowered.steady else None
    return ("cg", "monotone") if stencil and stencil.monotone else ("cg",)


def _methods(emission: Emission) -> list[str]:
    forward = forward_steps(emission) if emission.stepping else _forward_steady(emission)
    found = joint(emission)
    forward += forward_readout(emission, found) if found else []
    lines = ["", *forward, *readout_method(emission), *density_method(emission, "energy")]
    if emission.lowered.entropy is not None:
        lines += density_method(emission, "entropy")
    lines += diagnostic_methods(emission)
    return [f"    {line}" if line else "" for line in watched(exactly(lines))]


def _forward_steady(emission: Emission) -> list[str]:
    if emission.lowered.minimum is not None:
        return _forward_minimum(emission, emission.lowered.minimum)
    steady = emission.lowered.steady
    assert steady is not None
    operator, source = emission.optimised["operator"][0], emission.optimised["source"][0]
    fixed = arguments(emission, operator, "like", (steady.unknown,))
    given = ["like", *arguments(emission, source, "like", (steady.unknown,))]
    return [
        *_forward_head(emission, "||r||"),
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
        f"    return {emission.class_name}State(solution.to(dtype), iterations, residual.detach(), status)",
        "",
    ]


def _forward_minimum(emission: Emission, equation: Equation) -> list[str]:
    fixed = arguments(emission, equation.residual, "like", emission.fields)
    return [
        *_forward_head(emission, "||dF||"),
        f"    fixed = {tuple_text(fixed)}",
        "    start = torch.zeros_like(like)",
        "    if warm_start is not None:",
        '        start = self._site(warm_start, like, "warm_start").detach()',
        "    options = self.rtol, self.bwd_rtol, self.atol, self.max_iter",
        f"    found = reference.minimum(reference.{emission.equations[equation].upper()}, start, fixed, *options)",
        f'    solution, iterations, residual, status = reported(found, self.max_iter, "{emission.class_name}")',
        f"    return {emission.class_name}State(solution.to(dtype), iterations, residual, status)",
        "",
    ]


def _forward_head(emission: Emission, size: str) -> list[str]:
    """The head of a solve; inputs tell its lattice, or the field that it starts from."""
    names = inputs_of(emission)
    start = "warm_start: Tensor | None = None" if names else "warm_start: Tensor"
    joined = ", ".join(spread(emission, n) for n in names) or "warm_start"
    return [
        f"def forward(self{''.join(f', {n}: Tensor' for n in names)}, *, {start}) -> {emission.class_name}State:",
        f'    """The field that minimises the free energy, with iterations, {size} and status of every sample."""',
        f"    like, dtype = self._frame({joined})",
    ]


def _state_doc(emission: Emission) -> str:
    shape = "(B, C, *S)" if emission.rank else "(B, C)"
    if reports(emission):
        return f"Fields {shape}; iterations, largest residual and status (0 solved, 1 not) of the steps (B,)."
    if emission.stepping:
        return f"Fields {shape}."
    return f"The field {shape}; iterations, residual norm and status (0 converged, 1 gave up, -1 not positive) (B,)."


def _class_doc(emission: Emission) -> str:
    lines = ["channels  number C of channels of every field", *neural.class_doc(emission)]
    if emission.stepping:
        lines += steps_doc(emission)
    else:
        lines += [
            f"solver    {' or '.join(_solvers(emission))} (default {emission.spec.system.solver.solver})",
            "rtol, atol, max_iter  stop at ||r|| <= max(rtol ||b||, atol), give up after max_iter",
            "bwd_rtol  tolerance of the solve in the backward pass (default rtol)",
        ]
    if emission.without_triton and emission.cpu is not None:
        lines.append('backend   "auto": kernels on a CPU, else the reference; "cpu" insists; "torch" is the reference')
        return "\n".join(lines)
    if emission.without_triton:
        lines.append(f'backend   "auto" and "torch" are the reference: {without_triton.reason(emission)} torch alone')
        return "\n".join(lines)
    lines.append(
        'backend   "auto": kernels where the device has them; '
        + ('"triton" and "cpu" insist' if emission.cpu else '"triton" insists')
        + '; "torch" is the reference'
    )
    return "\n".join(lines)
