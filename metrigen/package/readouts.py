"""The methods that read a state: readout, energy, entropy and the diagnostics."""

from __future__ import annotations

from metrigen.emit.render import tuple_text
from metrigen.ir.nodes import Program
from metrigen.layers.layer import Layer
from metrigen.package.arguments import arguments, input_signature, inputs_of, timed
from metrigen.package.assembly import Package
from metrigen.package.call_docs import reading_doc, sites, written
from metrigen.package.neural import keywords

BALANCE_DOC = "Defect of the energy balance, (B,): (E(after) - E(before)) / elapsed - dE/dt of the equations halfway."

RATES_DOC = "The rates dz/dt of the equations in continuous time, as a state; differentiable."


def readout_method(package: Package) -> list[str]:
    layer = package.layer
    program = layer.programs["readout"]
    lines = _head(layer, "readout", "The readout, (B, R*C" + sites(layer) + "): "
                  + ", ".join(layer.lowered.components) + ".", program)  # fmt: skip
    values = arguments(layer, program, layer.lowered.fields[0])
    read = f"reference.readout(*given{keywords(program)})"
    lines.append(f"    given = {tuple_text(values)}")
    moving = timed(layer) and reads_time(program)
    apart = f" or given[{[a.name for a in program.inputs].index('t')}].dim()" if moving else ""
    if not package.registers("readout"):
        return [*lines, f"    return as_dtype(torch.cat({read}, 1), state.{layer.lowered.fields[0]}.dtype)", ""]
    return [
        *lines,
        f"    if by_reference(self.backend){apart}:",
        f"        return as_dtype(torch.cat({read}, 1), state.{layer.lowered.fields[0]}.dtype)",
        "    self._allow(given[0])",
        f"    return as_dtype(operators.readout(*given), state.{layer.lowered.fields[0]}.dtype)",
        "",
    ]


def reads_time(program: Program) -> bool:
    return any(a.name == "t" for a in program.inputs)


def density_method(layer: Layer, name: str) -> list[str]:
    program = layer.programs[name]
    lines = _head(layer, name, f"The {name} of each sample, (B,).", program)
    values = ", ".join(arguments(layer, program, layer.lowered.fields[0]))
    return [
        *lines,
        f"    results = reference.{name}({values}{keywords(program)})",
        f"    return {_volume(layer)}results[0].flatten(1).sum(1)",
        "",
    ]


def _volume(layer: Layer) -> str:
    """The volume of a cell as a factor, none where it is one."""
    volume = float(layer.source.spec.system.lattice.spacing**layer.shape.rank)
    return "" if volume == 1.0 else f"{volume!r} * "


_OF_STATES = ("readout", "energy", "entropy", "stress_energy", "currents", "flux", "rates")
_FRAMED = tuple(f"def {name}(" for name in _OF_STATES)


def clocked(layer: Layer) -> list[tuple[str, str]]:
    """The methods that read a state and in whose formula the time stands, as a constant of the class."""
    if not layer.shape.stepping or not timed(layer):
        return []
    found = tuple(name for name in _OF_STATES if name in layer.programs and reads_time(layer.programs[name]))
    return [("CLOCKED", repr(found))] if found else []


def exactly(lines: list[str], stepping: bool) -> list[str]:
    """The methods outside of autocast, those that are called from without; those that read a state of a layer that
    steps take a trajectory as well."""

    def decorated(line: str) -> list[str]:
        if not line.startswith("def ") or line.startswith("def _"):
            return [line]
        return [*(["@framed"] if stepping and line.startswith(_FRAMED) else []), "@exact", line]

    return [found for line in lines for found in decorated(line)]


def _head(layer: Layer, name: str, doc: str, program: Program) -> list[str]:
    needed = [n for n in inputs_of(layer) if n in {a.name for a in program.inputs}]
    state = f"state: {layer.source.class_name}State"
    target = f"({layer.lowered.fields[0]},)" if len(layer.lowered.fields) == 1 else ", ".join(layer.lowered.fields)
    return [
        f"def {name}(self, {state}{input_signature(layer, True, timed(layer))}) -> Tensor:",
        *written(reading_doc(layer, doc, needed) if name == "readout" else [doc]),
        *([f"    check_given({name!r}, {', '.join(f'{n}={n}' for n in needed)})"] if needed else []),
        f"    {target} = self._state({name!r}, state)",
    ]


def diagnostic_methods(layer: Layer) -> list[str]:
    """Methods to watch a layer with; all of them are the differentiable reference."""
    lines: list[str] = []
    if "stress_energy" in layer.programs:
        program = layer.programs["stress_energy"]
        names = tuple(name.split("__")[0] for name in program.outputs)
        lines += _head(layer, "stress_energy", "Raw components of T^{mu nu} at the sites, by name.", program)
        lines[0] = lines[0].replace("-> Tensor:", "-> dict[str, Tensor]:")
        given = ", ".join(arguments(layer, program, layer.lowered.fields[0]))
        lines += [
            f"    results = reference.stress_energy({given}{keywords(program)})",
            f"    return dict(zip({names}, results))",
            "",
        ]
    if "currents" in layer.programs:
        program = layer.programs["currents"]
        count = 1 + layer.shape.rank
        names = tuple(dict.fromkeys(name.split("__")[0] for name in program.outputs))
        doc = "The Noether current (J^t, J^x, ...) of each declared symmetry at the sites."
        head = _head(layer, "currents", doc, program)
        lines += [head[0].replace("-> Tensor:", "-> dict[str, tuple[Tensor, ...]]:"), *head[1:]]
        given = ", ".join(arguments(layer, program, layer.lowered.fields[0]))
        lines += [
            f"    flat = reference.currents({given}{keywords(program)})",
            f"    return {{name: flat[{count} * k : {count} * (k + 1)] for k, name in enumerate({names})}}",
            "",
        ]
    if "rates" in layer.programs:
        lines += _rates(layer)
    if "power" in layer.programs:
        lines += _balance(layer)
    return lines


def rates_return(layer: Layer, rates: str) -> list[str]:
    """The state of rates, in the dtype that was given; a step that solves reports nothing here."""
    first, state = layer.lowered.fields[0], f"{layer.source.class_name}State"
    lines = [f"    results = {rates}"]
    found = f"(as_dtype(x.expand_as({first}), state.{first}.dtype) for x in results)"
    if not layer.programs.implicit:
        return [*lines, f"    return {state}(*{found})", ""]
    return [
        *lines,
        f"    none = {first}.new_zeros({first}.shape[0])",
        f"    return {state}._make([*{found}, none.int(), none, none.int()])",
        "",
    ]


def _rates(layer: Layer) -> list[str]:
    program = layer.programs["rates"]
    head = _head(layer, "rates", RATES_DOC, program)
    given = ", ".join(arguments(layer, program, layer.lowered.fields[0]))
    call = f"reference.rates({given}{keywords(program)})"
    return [head[0].replace("-> Tensor:", f"-> {layer.source.class_name}State:"), *head[1:], *rates_return(layer, call)]


def halfway(layer: Layer, head: list[str]) -> list[str]:
    """The head of a method that reads a state, made to read the mean of two."""
    state = f"{layer.source.class_name}State"
    signature = head[0].replace(f"state: {state}", f"before: {state}, after: {state}, elapsed: float")
    at = next(i for i, line in enumerate(head) if "check_state(" in line or "_state(" in line)
    middle = f"    state = {state}(*(0.5 * (a + b) for a, b in zip(before, after)))"
    return [signature, *head[1:at], middle, *head[at:]]


def _balance(layer: Layer) -> list[str]:
    """The balance law dE/dt = (power of the dynamics), in integrated form."""
    program = layer.programs["power"]
    passed = "".join(f", {n}={n}" for n in inputs_of(layer))
    values = ", ".join(arguments(layer, program, layer.lowered.fields[0]))
    moving = timed(layer) and reads_time(layer.programs["energy"])
    begin, end = (", t=t", ", t=t + elapsed") if moving else ("", "")
    return [
        *halfway(layer, _head(layer, "balance_residual", BALANCE_DOC, program)),
        f"    gained = (self.energy(after{passed}{end}) - self.energy(before{passed}{begin})) / elapsed",
        *(["    t = t + 0.5 * elapsed"] if timed(layer) and reads_time(program) else []),
        f"    results = reference.power({values}{keywords(program)})",
        f"    return gained - {_volume(layer)}results[0].flatten(1).sum(1)",
        "",
    ]
