"""The methods that read a state: readout, energy, entropy and the diagnostics."""

from __future__ import annotations

from metrigen.ir.nodes import Program
from metrigen.layer.layer import Emission
from metrigen.package.arguments import arguments, input_signature, inputs_of, tuple_text
from metrigen.package.neural import keywords

BALANCE_DOC = "Defect of the energy balance, (B,): (E(after) - E(before)) / elapsed - dE/dt of the equations halfway."


def readout_method(emission: Emission) -> list[str]:
    program = emission.optimised["readout"][0]
    lines = _head(emission, "readout", "The readout, (B, R*C" + (", *S" if emission.rank else "") + "): "
                  + ", ".join(emission.lowered.components) + ".", program)  # fmt: skip
    values = arguments(emission, program, emission.fields[0])
    read = f"reference.readout(*given{keywords(program)})"
    lines.append(f"    given = {tuple_text(values)}")
    if not emission.has_operators:
        return [*lines, f"    return as_dtype(torch.cat({read}, 1), state[0].dtype)", ""]
    return [
        *lines,
        "    if by_reference(self.backend):",
        f"        return as_dtype(torch.cat({read}, 1), state[0].dtype)",
        "    self._insist(given[0])",
        "    return as_dtype(operators.readout(*given), state[0].dtype)",
        "",
    ]


def density_method(emission: Emission, name: str) -> list[str]:
    program = emission.optimised[name][0]
    domain = emission.spec.system.lattice
    volume = float(domain.spacing**emission.rank)
    lines = _head(emission, name, f"The {name} of each sample, (B,).", program)
    values = ", ".join(arguments(emission, program, emission.fields[0]))
    factor = "" if volume == 1.0 else f"{volume!r} * "
    return [
        *lines,
        f"    return {factor}reference.{name}({values}{keywords(program)})[0].flatten(1).sum(1)",
        "",
    ]


def exactly(lines: list[str]) -> list[str]:
    """The methods outside of autocast, those that are called from without."""
    pairs = [("@exact", x) if x.startswith("def ") and not x.startswith("def _") else (x,) for x in lines]
    return [line for pair in pairs for line in pair]


def _head(emission: Emission, name: str, doc: str, program: Program) -> list[str]:
    needed = [n for n in inputs_of(emission) if n in {a.name for a in program.inputs}]
    state = f"state: {emission.class_name}State"
    target = f"({emission.fields[0]},)" if len(emission.fields) == 1 else ", ".join(emission.fields)
    return [
        f"def {name}(self, {state}{input_signature(emission, True)}) -> Tensor:",
        f'    """{doc}"""',
        *([f"    check_given({name!r}, {', '.join(f'{n}={n}' for n in needed)})"] if needed else []),
        f"    {target} = self._state({name!r}, state)",
    ]


def diagnostic_methods(emission: Emission) -> list[str]:
    """Methods to watch a layer with; all of them are the differentiable reference."""
    lines: list[str] = []
    if "stress_energy" in emission.optimised:
        program = emission.optimised["stress_energy"][0]
        names = tuple(name.split("__")[0] for name in program.outputs)
        lines += _head(emission, "stress_energy", "Raw components of T^{mu nu} at the sites, by name.", program)
        lines[0] = lines[0].replace("-> Tensor:", "-> dict[str, Tensor]:")
        given = ", ".join(arguments(emission, program, emission.fields[0]))
        lines += [f"    return dict(zip({names}, reference.stress_energy({given}{keywords(program)})))", ""]
    if "currents" in emission.optimised:
        program = emission.optimised["currents"][0]
        count = 1 + emission.rank
        names = tuple(dict.fromkeys(name.split("__")[0] for name in program.outputs))
        doc = "The Noether current (J^t, J^x, ...) of each declared symmetry at the sites."
        lines += _head(emission, "currents", doc, program)
        lines[0] = lines[0].replace("-> Tensor:", "-> dict[str, tuple[Tensor, ...]]:")
        given = ", ".join(arguments(emission, program, emission.fields[0]))
        lines += [
            f"    flat = reference.currents({given}{keywords(program)})",
            f"    return {{name: flat[{count} * k : {count} * (k + 1)] for k, name in enumerate({names})}}",
            "",
        ]
    if "power" in emission.optimised:
        lines += _balance(emission)
    return lines


def halfway(emission: Emission, head: list[str]) -> list[str]:
    """The head of a method that reads a state, made to read the mean of two."""
    state = f"{emission.class_name}State"
    signature = head[0].replace(f"state: {state}", f"before: {state}, after: {state}, elapsed: float")
    at = next(i for i, line in enumerate(head) if "check_state(" in line or "_state(" in line)
    middle = f"    state = {state}(*(0.5 * (a + b) for a, b in zip(before, after)))"
    return [signature, *head[1:at], middle, *head[at:]]


def _balance(emission: Emission) -> list[str]:
    """The balance law dE/dt = (power of the dynamics), in integrated form."""
    program = emission.optimised["power"][0]
    domain = emission.spec.system.lattice
    passed = "".join(f", {n}={n}" for n in inputs_of(emission))
    values = ", ".join(arguments(emission, program, emission.fields[0]))
    volume = float(domain.spacing**emission.rank)
    factor = "" if volume == 1.0 else f"{volume!r} * "
    return [
        *halfway(emission, _head(emission, "balance_residual", BALANCE_DOC, program)),
        f"    gained = (self.energy(after{passed}) - self.energy(before{passed})) / elapsed",
        f"    return gained - {factor}reference.power({values}{keywords(program)})[0].flatten(1).sum(1)",
        "",
    ]
