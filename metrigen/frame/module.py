"""The text of ``module.py``: operators, parameters and the methods of the layer."""

from __future__ import annotations

from metrigen.emit.render import render
from metrigen.frame import neural, without_triton
from metrigen.frame.arguments import (
    arguments,
    axes,
    inputs_of,
    parameters,
    per_site,
    spread,
)
from metrigen.frame.base import with_imports
from metrigen.frame.checks import declarations, watched
from metrigen.frame.emission import Emission
from metrigen.frame.implicit import implicit_ops
from metrigen.frame.joint import joint, joint_ops
from metrigen.frame.ops import readout_ops, solve_ops, step_ops
from metrigen.frame.reading import density_method, diagnostic_methods, exactly, readout_method
from metrigen.frame.settings import (
    config_lines,
    dt_argument,
    dt_lines,
    helpers_of,
    limit_lines,
    steps_doc,
    steps_lines,
    tolerance_lines,
)
from metrigen.frame.stepping import forward_readout, forward_steps, reports
from metrigen.frame.tag import unsigned
from metrigen.ir.implicit import Equation
from metrigen.ir.queries import learned_in


def module_text(emission: Emission, header: str) -> str:
    """The layer itself."""
    text = render(
        "module.py.j2",
        header=header,
        title=emission.class_name,
        class_name=emission.class_name,
        tag=unsigned(emission.name),
        rank=emission.rank,
        joint=joint(emission) is not None,
        cpu=emission.cpu is not None,
        backends=_backends(emission),
        stepping=emission.stepping,
        components=repr(emission.lowered.components),
        fields=emission.fields,
        state_doc=_state_doc(emission),
        ops=_ops(emission),
        class_doc=_class_doc(emission),
        init_args=_init_args(emission),
        init_lines=_init_lines(emission),
        parameters=parameters(emission),
        methods=_methods(emission),
        **declarations(emission, inputs_of(emission)),
        told=bool(limit_lines(emission)),
        helpers=_helpers(emission),
        **config_lines(emission, ["sites"] if per_site(emission) else []),
        without_triton=emission.without_triton,
        operators=_operators(emission),
        obstacle=without_triton.obstacle(emission),
    )
    return with_imports(text)


def _operators(emission: Emission) -> bool:
    """Whether the module has operators, whose kernels it takes."""
    return not emission.without_triton or emission.cpu is not None


def _backends(emission: Emission) -> tuple[str, ...]:
    if emission.without_triton:
        return ("auto", "cpu", "torch") if emission.cpu else ("auto", "torch")
    return ("auto", "triton", "cpu", "torch") if emission.cpu else ("auto", "triton", "torch")


def _helpers(emission: Emission) -> dict[str, bool]:
    """Which of the small functions of the template the module calls."""
    return {
        **helpers_of(parameters(emission)),
        "frame": not emission.stepping,
        "given": bool(inputs_of(emission)),
        "coordinate": bool(axes(emission)),
        "partial": emission.stepping and bool(learned_in(emission.optimised["step"][0]) or reports(emission)),
        "reports": reports(emission),
    }


def _ops(emission: Emission) -> list[str]:
    if not _operators(emission):
        return []
    programs = {name: program for name, (program, _, _) in emission.optimised.items()}
    cpu = emission.cpu is not None
    ops = list(readout_ops(programs["readout"], cpu, not emission.without_triton))
    if emission.without_triton:
        return [*ops, *implicit_ops(programs["step"], emission.fields)]
    if emission.lowered.steady is not None:
        return [*ops, *solve_ops(emission.lowered.steady.unknown, programs["operator"], cpu)]
    found = joint(emission)
    both = joint_ops(found, cpu) if found else []
    return [*ops, *step_ops(programs["step"], emission.fields, cpu), *both]


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
    for p in parameters(emission):
        lines.append(f"self.raw_{p.name} = nn.Parameter(torch.zeros({p.shape}))")
        lines.append(f"self.{p.name} = {p.init}")
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
    names = inputs_of(emission)
    signature = "".join(f", {n}: Tensor" for n in names)
    joined = ", ".join(spread(emission, n) for n in names) or "warm_start"
    start = "warm_start: Tensor | None = None" if names else "warm_start: Tensor"  # what else would tell the lattice
    fixed = arguments(emission, operator, "like__", (steady.unknown,))
    given = ["like__", *arguments(emission, source, "like__", (steady.unknown,))]
    return [
        f"def forward(self{signature}, *, {start}) -> {emission.class_name}State:",
        '    """The field that minimises the free energy, with iterations, ||r|| and status of every sample."""',
        "    if transformed():",
        '        raise RuntimeError("a steady state has no torch.func transforms and no forward-mode derivative")',
        f"    like__, dtype__ = _frame({joined}, channels=self.channels)",
        "    _available(self.backend, like__)",
        "    fixed__ = (",
        *(f"        {value}," for value in fixed),
        "    )",
        f"    (b__,) = reference.source({', '.join(given)})",
        '    start__ = torch.zeros_like(b__) if warm_start is None else _site(warm_start, b__, "warm_start").detach()',
        "    u__, iterations__, residual__, status__ = _solve_linear(",
        "        b__.contiguous(), start__.contiguous(), *fixed__, self.solver, self.rtol, self.bwd_rtol, self.atol,",
        '        self.max_iter, self.backend != "torch",',
        "    )",
        f"    return {emission.class_name}State(u__.to(dtype__), iterations__, residual__.detach(), status__)",
        "",
    ]


def _forward_minimum(emission: Emission, equation: Equation) -> list[str]:
    names, fields = inputs_of(emission), emission.fields
    like = ", ".join(spread(emission, n) for n in names) if names else "warm_start"
    given = f", {', '.join(f'{n}: Tensor' for n in names)}" if names else ""
    start = "warm_start: Tensor | None = None" if names else "warm_start: Tensor"
    fixed = arguments(emission, equation.residual, "like__", fields)
    return [
        f"def forward(self{given}, *, {start}) -> {emission.class_name}State:",
        '    """The field that minimises the free energy, with iterations, ||dF|| and status of every sample."""',
        f"    like__, dtype__ = _frame({like}, channels=self.channels)",
        "    fixed__ = (",
        *(f"        {value}," for value in fixed),
        "    )",
        "    start__ = torch.zeros_like(like__)",
        "    if warm_start is not None:",
        '        start__ = _site(warm_start, like__, "warm_start").detach()',
        "    u__, iterations__, residual__, status__ = _reported(reference.minimum(",
        f"        reference.{emission.equations[equation].upper()}, start__, fixed__, self.rtol, self.bwd_rtol,",
        "        self.atol, self.max_iter,",
        "    ), self.max_iter)",
        f"    return {emission.class_name}State(u__.to(dtype__), iterations__, residual__, status__)",
        "",
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
