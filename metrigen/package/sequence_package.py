"""The texts of a package on a sequence, file by file."""

from __future__ import annotations

from metrigen.backends.cpu.scan_kernels import sequence_cpp_text, sequence_loader_text
from metrigen.backends.triton.scan_kernels import sequence_kernels_text
from metrigen.discretise.tokens import COUPLED_KEEPS, KEEPS
from metrigen.emit.derivation import derivation_markdown
from metrigen.emit.header import header
from metrigen.emit.layout import layout, layout_cpp
from metrigen.emit.render import render
from metrigen.ir.functions.write import with_functions
from metrigen.layer.scan import NOT_ON_CHIP, SequenceEmission, traffic
from metrigen.package.arguments import tuple_text
from metrigen.package.notices import notices
from metrigen.package.runtime import runtime, shared
from metrigen.package.sequence_module import sequence_module_text, sequence_operators_text
from metrigen.package.sequence_sections import sequence_sections

_DOCS = {
    "prologue": "E = exp(h A) from the parameters alone.",
    "rotation": "The rotations of coupled channels over a token.",
    "step_back": "The cotangent of the state before a token from that after it: E^T R^T.",
    "step": "One token: x <- f + E (x - f).",
    "step_adjoint": "The variation of ``step``: cotangents of all its arguments.",
    "propagator": "E = exp(h A) by rows, then the drive (1 - E) f.",
    "readout": "The components of the readout from the states before and after a token.",
    "readout_adjoint": "The variation of ``readout``: cotangents of all its arguments.",
    "energy": "The energy x.P x/2 of the state.",
}
_COUPLED_STEP = "One token: x <- f + R E (x - f)."


def sequence_texts(emission: SequenceEmission) -> dict[str, str]:
    """Relative name -> text of every file but the manifest."""
    head = header(emission.spec, guarantees(emission), cost(emission))
    brief = header(emission.spec, (), None)
    comment = header(emission.spec, (), None, "//")
    return {
        "cpu.py": layout(sequence_loader_text(emission, brief)),
        **(
            {"kernels.py": layout(with_functions(sequence_kernels_text(emission, brief), "triton"))}
            if emission.on_chip
            else {}
        ),
        "kernels.cpp": layout_cpp(with_functions(sequence_cpp_text(emission, comment), "cpp")),
        **shared(bool(emission.parameters)),
        **runtime("registry", "scan"),
        "operators.py": layout(
            sequence_operators_text(emission, brief.rstrip("\n"), cpu=True, triton=emission.on_chip)
        ),
        "__init__.py": render("__init__.py.j2", header=brief.rstrip("\n"), class_name=emission.class_name),
        "reference.py": layout(with_functions(_reference(emission, head), "torch")),
        "module.py": layout(sequence_module_text(emission, brief.rstrip("\n"), cpu=True, triton=emission.on_chip)),
        "DERIVATION.md": derivation_markdown(
            emission.spec, emission.derivation, emission.laws, sequence_sections(emission)
        ),
    }


def guarantees(emission: SequenceEmission) -> list[str]:
    """One line per law, and what the integrator keeps."""
    lines = [f"{law.name}: {law.verdict}" + (f" ({law.detail})" if law.detail else "") for law in emission.laws]
    lines += [f"WARNING: {w.what}" for w in notices(emission.derivation, emission.spec.declared)]
    if not emission.scan.rotations:
        return [*lines, f"Exponential: keeps {KEEPS}"]
    return [*lines, f"Exponential: {COUPLED_KEEPS}", *([] if emission.on_chip else [NOT_ON_CHIP])]


def cost(emission: SequenceEmission) -> str:
    moved = ", ".join(f"{name} {count}" for name, count in traffic(emission.scan).items())
    return f"bytes moved in float32, every array once: {moved}"


def _reference(emission: SequenceEmission, head: str) -> str:
    scan = emission.scan
    moves = scan.propagator if scan.step_back is None else scan.step_back
    read = {a.name for a in moves.inputs}
    return render(
        "sequence_reference.py.j2",
        header=head.rstrip("\n"),
        title=emission.class_name,
        fields=repr(scan.fields),
        tokens=repr(scan.tokens),
        coefficients=repr(scan.coefficients),
        stumpff=emission.stumpff,
        functions=emission.functions,
        docs=_DOCS | ({"step": _COUPLED_STEP} if scan.rotations else {}),
        coupled=bool(scan.rotations),
        blocks=repr(scan.blocks),
        back_tokens=tuple_text([f"tokens[{i}]" for i, name in enumerate(scan.tokens) if name in read]),
        back_reads=_chosen(emission, emission.reads(moves)),
        propagator_reads=_chosen(emission, emission.reads(scan.propagator)),
        step_reads=_chosen(emission, emission.reads(scan.step)),
        step_names=repr(emission.reads(scan.step)),
        readout_names=repr(emission.reads(scan.readout)),
    )


def _chosen(emission: SequenceEmission, names: tuple[str, ...]) -> str:
    """Coefficients by their place, in the order in which a program takes them."""
    if names == emission.scan.coefficients:
        return "coefficients"
    return tuple_text([f"coefficients[{emission.scan.coefficients.index(n)}]" for n in names])
