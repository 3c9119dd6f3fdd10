"""The text of ``module.py`` of a package on a sequence."""

from __future__ import annotations

from collections.abc import Sequence

from metrigen.emit.render import render
from metrigen.layer.scan import SequenceEmission
from metrigen.package.arguments import tuple_text
from metrigen.package.base import with_imports
from metrigen.package.checks import declarations
from metrigen.package.operators import table_text


def sequence_module_text(emission: SequenceEmission, header: str, *, cpu: bool, triton: bool) -> str:
    scan = emission.scan
    fields, tokens = scan.fields, scan.tokens
    read = emission.reads(scan.readout)
    backends = ("auto", *(("triton",) if triton else ()), *(("cpu",) if cpu else ()), "torch")
    insists = " and ".join(f'"{b}"' for b in backends[1:-1])
    text = render(
        "sequence_module.py.j2",
        header=header,
        title=emission.class_name,
        class_name=emission.class_name,
        insists=f"{insists} insist{'s' * (insists.count('and') == 0)}; " if insists else "",
        fields=fields,
        constants=[
            ("CONFIG", '("channels", "backend")'),
            ("SPEC", f'"{emission.spec.sha256[:16]}"'),
            *declarations(emission, tokens),
            ("BACKENDS", repr(backends)),
            ("OPERATORS", "operators.OPERATORS"),
        ],
        tokens=tokens,
        token_keywords=", ".join(f"{n}={n}" for n in tokens),
        components=repr(scan.components),
        parameters=emission.parameters,
        matrices=emission.matrices,
        rotation=() if scan.rotation is None else tuple(a.name for a in scan.rotation.inputs),
        coupled=bool(scan.rotations),
        dt=emission.learned_step,
        number_step=_number(emission),
        prologue=_prologue(emission),
        coefficients_tuple=tuple_text(emission.channelwise),
        fixed=_fixed(emission),
        step_fixed=_chosen(emission, emission.reads(scan.step)),
        readout_fixed=_of(emission, read),
        readout_passed=f", {_chosen(emission, read)}" if read else "",
        energy_fixed=_chosen(emission, emission.reads(scan.energy)),
        readout_doc=f"The readout at every token, (B, R*C, T): {', '.join(scan.components)}.",
    )
    return with_imports(text)


def _number(emission: SequenceEmission) -> str:
    """The time step where it is a number, else nothing."""
    dt = emission.spec.system.stepper.dt
    return repr(float(dt)) if dt.is_number else ""


def _prologue(emission: SequenceEmission) -> dict[str, tuple[str, ...]]:
    prologue = emission.scan.prologue
    if prologue is None:
        return {}
    return {"outputs": prologue.outputs, "inputs": tuple(a.name for a in prologue.inputs)}


def _fixed(emission: SequenceEmission) -> str:
    """The call that makes the coefficients of a scan."""
    channelwise, rotations = "self._coefficients(inputs[0])", "self._rotations(inputs[0])"
    if not emission.scan.rotations:
        return channelwise
    return f"(*{channelwise}, *{rotations})" if emission.channelwise else rotations


def _chosen(emission: SequenceEmission, names: tuple[str, ...]) -> str:
    """Coefficients of a method by their place, to be written out in a call."""
    return ", ".join(f"fixed[{emission.scan.coefficients.index(n)}]" for n in names)


def _of(emission: SequenceEmission, names: tuple[str, ...]) -> str:
    return tuple_text([f"fixed[{emission.scan.coefficients.index(n)}]" for n in names])


def sequence_operators_text(emission: SequenceEmission, header: str, *, cpu: bool, triton: bool) -> str:
    """The text of ``operators.py``."""
    scan, read = emission.scan, emission.reads(emission.scan.readout)
    blocks = dict(zip(scan.rotations, scan.blocks, strict=True))
    kinds = dict.fromkeys((*scan.fields, *scan.tokens), "field") | {f"{f}__start": "start" for f in scan.fields}
    kinds |= {n: str(blocks[n]) if n in blocks else "channel" for n in scan.coefficients}

    def names(group: Sequence[str]) -> str:
        return tuple_text([f'"{n}"' for n in group])

    calls = [
        ("readout", f"readout_scan({names(scan.fields)}, {names(read)}, {len(scan.components)})"),
        ("scan", f"scan({names(scan.fields)}, {names(scan.tokens)}, {names(scan.coefficients)})"),
    ]
    return table_text(
        emission.name, emission.class_name, header, calls=calls, kinds=kinds, constructor=("ScanOperators", "scan"),
        axes=3, triton=triton, cpu=cpu,
    )  # fmt: skip
