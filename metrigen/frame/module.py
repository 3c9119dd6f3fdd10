"""The text of ``module.py``: operators, parameters and the methods of the layer."""

from __future__ import annotations

import sympy as sp

from metrigen.emit.render import render
from metrigen.frame.emission import Emission
from metrigen.frame.ops import readout_ops, solve_ops, step_ops
from metrigen.frame.parameters import ParameterText, parameter_text
from metrigen.integrators.steady_state import SteadyState
from metrigen.ir.nodes import Kind, Program
from metrigen.spec.symbols import Param


def module_text(emission: Emission, header: str) -> str:
    """The layer itself."""
    return render(
        "module.py.j2",
        header=header,
        title=emission.class_name,
        class_name=emission.class_name,
        rank=emission.rank,
        stepping=emission.stepping,
        components=repr(emission.lowered.components),
        fields=emission.fields,
        state_doc=_state_doc(emission),
        ops=_ops(emission),
        class_doc=_class_doc(emission),
        init_args=_init_args(emission),
        init_lines=_init_lines(emission),
        constrained=_parameters(emission),
        methods=_methods(emission),
        helpers=_helpers(emission),
    )


def _helpers(emission: Emission) -> dict[str, bool]:
    """Which of the small functions of the template the module calls."""
    texts = _parameters(emission)
    return {
        "frame": not emission.stepping,
        "given": bool(inputs_of(emission)),
        "positive": any("_positive" in p.read for p in texts),
        "softplus": any("_inverse_softplus" in p.write for p in texts),
        "blocks": any(p.block is not None for p in texts),
        "coordinate": bool(_axes(emission)),
    }


def _ops(emission: Emission) -> list[str]:
    programs = {name: program for name, (program, _, _) in emission.optimised.items()}
    ops = list(readout_ops(emission.tag, programs["readout"]))
    if emission.lowered.steady is not None:
        return [*ops, *solve_ops(emission.tag, emission.lowered.steady.unknown, programs["operator"])]
    return [*ops, *step_ops(emission.tag, programs["step"], emission.fields)]


def _symbols(emission: Emission) -> dict[str, sp.Symbol]:
    """Learned parameters by name: every parameter of the lattice dynamics but a numeric time step."""
    derivation, integrator = emission.derivation, emission.spec.system.integrator
    expressions = [derivation.hamiltonian, derivation.system.entropy, getattr(integrator, "dt", None)]
    expressions += [b.form for b in (derivation.bracket, derivation.metric) if b is not None]
    named = {s.name: s for e in expressions if e is not None for s in e.free_symbols}
    layer = emission.lowered.dynamics
    wanted = [a.name for a in layer.params] + [a.name for a in layer.inputs if isinstance(named.get(a.name), Param)]
    return {name: named[name] for name in sorted(wanted) if name in named}


def _parameters(emission: Emission) -> list[ParameterText]:
    return [parameter_text(symbol, emission.rank) for symbol in _symbols(emission).values()]


def _per_site(emission: Emission) -> list[str]:
    return [n for n, s in _symbols(emission).items() if isinstance(s, Param) and s.per == "site" and not s.is_matrix]


def _axes(emission: Emission) -> list[str]:
    names = [axis.name for axis in emission.spec.system.domain.axes]
    return [a.name for a in emission.lowered.dynamics.inputs if a.name in names and a.name not in _symbols(emission)]


def inputs_of(emission: Emission) -> list[str]:
    """Arrays that ``forward`` is handed: inputs of the spec, no coordinates, no learned maps."""
    own = {*_per_site(emission), *_axes(emission)}
    return [a.name for a in emission.lowered.dynamics.inputs if a.name not in own]


def _dt(emission: Emission) -> tuple[str, str]:
    """("parameter", name), ("number", value) or ("expression", text) of the time step."""
    dt = emission.spec.system.integrator.dt
    if dt.is_number:
        return "number", repr(float(dt))
    return ("parameter", dt.name) if dt.is_Symbol else ("expression", str(dt))


def _floats(emission: Emission) -> list[str]:
    """Scalars of the step that are plain numbers: a time step that is not learned."""
    return ["dt"] if emission.stepping and _dt(emission)[0] == "number" else []


def _init_args(emission: Emission) -> list[str]:
    integrator = emission.spec.system.integrator
    args = ["steps: int | None = None", "dt: float | None = None"]
    if isinstance(integrator, SteadyState):
        args += ["solver: str | None = None", "rtol: float | None = None", "bwd_rtol: float | None = None",
                 "atol: float | None = None", "max_iter: int | None = None"]  # fmt: skip
    if _per_site(emission):
        args.append("sites: tuple[int, ...]")
    return args


def _init_lines(emission: Emission) -> list[str]:
    integrator = emission.spec.system.integrator
    lines: list[str] = []
    if isinstance(integrator, SteadyState):
        lines += [
            "if steps is not None or dt is not None:",
            '    raise ValueError("a steady state has no steps and no dt")',
            f'self.solver = "{integrator.solver}" if solver is None else solver',
            f"if self.solver not in {_solvers(emission)}:",
            f'    raise ValueError(f"solver={{self.solver!r}} is not one of {_solvers(emission)}")',
            f"self.rtol = {integrator.rtol!r} if rtol is None else rtol",
            "self.bwd_rtol = self.rtol if bwd_rtol is None else bwd_rtol",
            f"self.atol = {float(integrator.atol)!r} if atol is None else atol",
            f"self.max_iter = {integrator.max_iter} if max_iter is None else max_iter",
        ]
    else:
        lines += [
            f"self.steps = {integrator.steps} if steps is None else steps",
            "if self.steps < 0:",
            '    raise ValueError(f"steps={steps} must not be negative")',
        ]
    for p in _parameters(emission):
        lines.append(f"self.raw_{p.name} = nn.Parameter(torch.zeros({p.shape}))")
        if p.block is not None:
            lines.append(f'self.register_buffer("blocks_{p.name}", _blocks(channels, {p.block}), persistent=False)')
        lines.append(f"self.{p.name} = {p.init}")
    if emission.stepping:
        lines += _dt_lines(*_dt(emission))
    return lines


def _dt_lines(kind: str, value: str) -> list[str]:
    if kind == "number":
        return [f"self.dt = {value} if dt is None else float(dt)"]
    if kind == "parameter":
        return ["if dt is not None:", f"    self.{value} = dt"]
    return ["if dt is not None:", f'    raise ValueError("dt is an expression of parameters: {value}")']


def _solvers(emission: Emission) -> tuple[str, ...]:
    stencil = emission.lowered.steady.stencil if emission.lowered.steady else None
    return ("cg", "monotone") if stencil and stencil.monotone else ("cg",)


def _tuple(names: list[str]) -> str:
    return f"({', '.join(names)}{',' if len(names) == 1 else ''})"


def _value(emission: Emission, name: str, kind: Kind, like: str) -> str:
    """Expression of one argument of an operator inside a method, in the dtype of the state."""
    if kind is Kind.SITE:
        if name in _axes(emission):
            axis = [a.name for a in emission.spec.system.domain.axes].index(name)
            return f"_coordinate({like}, {axis}, {float(emission.spec.system.domain.spacing)!r})"
        if name in _per_site(emission):
            return f"_site(self.{name}.unsqueeze(0), {like}, {name!r})"
        return f"_site({name}, {like}, {name!r})"
    if name in _floats(emission):
        return f"{like}.new_tensor(self.{name})"
    return f"self.{name}.to({like}.dtype)"


def _arguments(emission: Emission, program: Program, like: str, skip: tuple[str, ...] = ()) -> list[str]:
    hoisted = set(emission.lowered.prologue.outputs) if emission.lowered.prologue else set()
    return [
        a.name if a.name in hoisted or a.name in emission.fields else _value(emission, a.name, a.kind, like)
        for a in program.inputs
        if a.name not in skip
    ]


def _methods(emission: Emission) -> list[str]:
    forward = _forward_steady(emission) if emission.lowered.steady else _forward_steps(emission)
    lines = ["", *forward, *_readout(emission), *_density(emission, "energy")]
    if emission.lowered.entropy is not None:
        lines += _density(emission, "entropy")
    lines += _diagnostics(emission)
    return [f"    {line}" if line else "" for line in lines]


def _input_signature(emission: Emission, optional: bool) -> str:
    names = inputs_of(emission)
    return (
        (", *, " + ", ".join(f"{n}: Tensor" + (" | None = None" if optional else "") for n in names)) if names else ""
    )


def _forward_steps(emission: Emission) -> list[str]:
    body = emission.optimised["step"][0]
    prologue = emission.lowered.prologue
    first, *others = emission.fields
    derivation, layer = emission.derivation, emission.lowered.dynamics
    momenta = {layer.array(p) for p in derivation.momenta.values()}
    arguments = ", ".join([f"{first}: Tensor"] + [
        f"{f}: Tensor" + (" | None = None" if f in momenta else "") for f in others
    ])  # fmt: skip
    fields = _tuple(list(emission.fields))
    lines = [
        f"def forward(self, {arguments}{_input_signature(emission, False)}) -> {emission.class_name}State:",
        '    """The state after ``steps`` steps; a momentum that is not given starts at zero."""',
        *(f"    {f} = torch.zeros_like({first}) if {f} is None else {f}" for f in others if f in momenta),
        f"    *fields__, dtype__ = _work({', '.join(emission.fields)}, channels=self.channels)",
        f"    {', '.join(emission.fields)}{',' if not others else ''} = fields__",
    ]
    if prologue is not None and prologue.body:
        given = ", ".join(_value(emission, a.name, a.kind, first) for a in prologue.inputs)
        lines.append(f"    {', '.join(prologue.outputs)}, = reference.prologue({given})")
    fixed = _arguments(emission, body, first, emission.fields)
    lines += [
        "    fixed__ = (",
        *(f"        {value}," for value in fixed),
        "    )",
        '    if self.backend == "torch" or _transformed():',
        f"        results__ = reference.evolve({fields}, fixed__, self.steps)",
        "    else:",
        f"        _available(self.backend, {first})",
        f"        results__ = _evolve({', '.join(emission.fields)}, *fixed__, self.steps)",
        *(["        results__ = (results__,)"] if len(emission.fields) == 1 else []),
        f"    return {emission.class_name}State(*(x.to(dtype__) for x in results__))",
        "",
    ]
    return lines


def _forward_steady(emission: Emission) -> list[str]:
    steady = emission.lowered.steady
    assert steady is not None
    operator, source = emission.optimised["operator"][0], emission.optimised["source"][0]
    names = inputs_of(emission)
    signature = ", ".join(f"{n}: Tensor" for n in names)
    joined = ", ".join(names)
    fixed = _arguments(emission, operator, "like__", (steady.unknown,))
    given = ["like__", *_arguments(emission, source, "like__", (steady.unknown,))]
    return [
        f"def forward(self, {signature}, *, warm_start: Tensor | None = None) -> {emission.class_name}State:",
        '    """The field that minimises the free energy, with iterations, ||r|| and status of every sample."""',
        "    if _transformed():",
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


def _readout(emission: Emission) -> list[str]:
    program = emission.optimised["readout"][0]
    lines = _head(emission, "readout", "The readout, (B, R*C" + (", *S" if emission.rank else "") + "): "
                  + ", ".join(emission.lowered.components) + ".", program)  # fmt: skip
    values = _arguments(emission, program, emission.fields[0])
    lines += [
        "    given__ = (",
        *(f"        {value}," for value in values),
        "    )",
        '    if self.backend == "torch" or _transformed():',
        "        return torch.cat(reference.readout(*given__), 1).to(dtype__)",
        f"    _available(self.backend, {emission.fields[0]})",
        "    return _readout(*given__).to(dtype__)",
        "",
    ]
    return lines


def _density(emission: Emission, name: str) -> list[str]:
    program = emission.optimised[name][0]
    domain = emission.spec.system.domain
    volume = float(domain.spacing**emission.rank)
    lines = _head(emission, name, f"The {name} of each sample, (B,).", program)
    values = ", ".join(_arguments(emission, program, emission.fields[0]))
    total = f"(density__,) = reference.{name}({values})"
    factor = "" if volume == 1.0 else f"{volume!r} * "
    return [*lines, f"    {total}", f"    return {factor}density__.flatten(1).sum(1)", ""]


def _head(emission: Emission, name: str, doc: str, program: Program) -> list[str]:
    needed = [n for n in inputs_of(emission) if n in {a.name for a in program.inputs}]
    fields = ", ".join(f"state.{f}" for f in emission.fields)
    state = f"state: {emission.class_name}State"
    target = f"{', '.join(emission.fields)}," if len(emission.fields) == 1 else ", ".join(emission.fields)
    return [
        f"def {name}(self, {state}{_input_signature(emission, True)}) -> Tensor:",
        f'    """{doc}"""',
        *([f"    _given({name!r}, {', '.join(f'{n}={n}' for n in needed)})"] if needed else []),
        f"    *fields__, dtype__ = _work({fields}, channels=self.channels)",
        f"    {target} = fields__",
    ]


def _diagnostics(emission: Emission) -> list[str]:
    """Methods to watch a layer with; all of them are the differentiable reference."""
    lines: list[str] = []
    if "stress_energy" in emission.optimised:
        program = emission.optimised["stress_energy"][0]
        names = tuple(name.split("__")[0] for name in program.outputs)
        lines += _head(emission, "stress_energy", "Raw components of T^{mu nu} at the sites, by name.", program)
        lines[0] = lines[0].replace("-> Tensor:", "-> dict[str, Tensor]:")
        given = ", ".join(_arguments(emission, program, emission.fields[0]))
        lines += [f"    return dict(zip({names}, reference.stress_energy({given})))", ""]
    if "currents" in emission.optimised:
        program = emission.optimised["currents"][0]
        count = 1 + emission.rank
        names = tuple(dict.fromkeys(name.split("__")[0] for name in program.outputs))
        doc = "The Noether current (J^t, J^x, ...) of each declared symmetry at the sites."
        lines += _head(emission, "currents", doc, program)
        lines[0] = lines[0].replace("-> Tensor:", "-> dict[str, tuple[Tensor, ...]]:")
        given = ", ".join(_arguments(emission, program, emission.fields[0]))
        lines += [
            f"    flat__ = reference.currents({given})",
            f"    return {{name: flat__[{count} * k : {count} * (k + 1)] for k, name in enumerate({names})}}",
            "",
        ]
    if "power" in emission.optimised:
        lines += _balance(emission)
    return lines


def _balance(emission: Emission) -> list[str]:
    """The balance law dE/dt = (power of the dynamics), in integrated form."""
    program = emission.optimised["power"][0]
    domain = emission.spec.system.domain
    state = f"{emission.class_name}State"
    doc = "Defect of the energy balance, (B,): (E(after) - E(before)) / elapsed - dE/dt of the equations halfway."
    lines = _head(emission, "balance_residual", doc, program)
    passed = "".join(f", {n}={n}" for n in inputs_of(emission))
    lines[0] = lines[0].replace(f"state: {state}", f"before: {state}, after: {state}, elapsed: float")
    values = ", ".join(_arguments(emission, program, emission.fields[0]))
    volume = float(domain.spacing**emission.rank)
    middle = f"    state = {state}(*(0.5 * (a + b) for a, b in zip(before, after)))"
    at = next(i for i, line in enumerate(lines) if "_work(" in line)
    return [
        *lines[:at],
        middle,
        *lines[at:],
        f"    (density__,) = reference.power({values})",
        f"    power__ = {volume!r} * density__.flatten(1).sum(1)",
        f"    return (self.energy(after{passed}) - self.energy(before{passed})) / elapsed - power__.to(dtype__)",
        "",
    ]


def _state_doc(emission: Emission) -> str:
    shape = "(B, C, *S)" if emission.rank else "(B, C)"
    if emission.stepping:
        return f"Fields {shape}."
    return f"The field {shape}; iterations, residual norm and status (0 converged, 1 gave up, -1 not positive) (B,)."


def _class_doc(emission: Emission) -> str:
    integrator = emission.spec.system.integrator
    lines = ["channels  number C of channels of every field"]
    if emission.stepping:
        kind, value = _dt(emission)
        start = {"number": value, "parameter": f"the learned {value}", "expression": value}[kind]
        lines += [
            f"steps     steps of {type(integrator).__name__} (default {integrator.steps})",
            f"dt        time step (default {start})"
            + ("; sets the start of the learned one" if kind == "parameter" else ""),
        ]
    else:
        lines += [
            f"solver    {' or '.join(_solvers(emission))} (default {integrator.solver})",
            "rtol, atol, max_iter  stop at ||r|| <= max(rtol ||b||, atol), give up after max_iter",
            "bwd_rtol  tolerance of the solve in the backward pass (default rtol)",
        ]
    lines.append('backend   "auto": kernels where the device has them; "triton" insists; "torch" is the reference')
    return "\n".join(lines)
