"""The text of ``reference.py`` of a layer on a sequence."""

from __future__ import annotations

from metrigen.backends.torch.printer import Function, print_function
from metrigen.emit.render import render, tuple_text
from metrigen.layer.tokens import TokenLayer

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


def _functions(layer: TokenLayer) -> tuple[Function, ...]:
    first = tuple(print_function(p, 0) for p in (layer.scan.prologue, layer.scan.rotation) if p is not None)
    return (*first, *(print_function(p, 0, name, blocks=layer.blocks) for name, p in layer.scan.programs().items()))


def scan_reference_text(layer: TokenLayer, head: str) -> str:
    scan = layer.scan
    moves = scan.propagator if scan.step_back is None else scan.step_back
    read = {a.name for a in moves.inputs}
    return render(
        "sequence_reference.py.j2",
        header=head.rstrip("\n"),
        title=layer.class_name,
        fields=repr(scan.fields),
        tokens=repr(scan.tokens),
        coefficients=repr(scan.coefficients),
        stumpff=layer.stumpff,
        functions=_functions(layer),
        docs=_DOCS | ({"step": _COUPLED_STEP} if scan.rotations else {}),
        coupled=bool(scan.rotations),
        blocks=repr(scan.blocks),
        back_tokens=tuple_text([f"tokens[{i}]" for i, name in enumerate(scan.tokens) if name in read]),
        back_reads=_chosen(layer, layer.reads(moves)),
        propagator_reads=_chosen(layer, layer.reads(scan.propagator)),
        step_reads=_chosen(layer, layer.reads(scan.step)),
        step_names=repr(layer.reads(scan.step)),
        readout_names=repr(layer.reads(scan.readout)),
    )


def _chosen(layer: TokenLayer, names: tuple[str, ...]) -> str:
    """Coefficients by their place, in the order in which a program takes them."""
    if names == layer.scan.coefficients:
        return "coefficients"
    return tuple_text([f"coefficients[{layer.scan.coefficients.index(n)}]" for n in names])
