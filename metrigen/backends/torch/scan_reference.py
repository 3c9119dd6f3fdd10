"""The text of ``reference.py`` of a layer on a sequence."""

from __future__ import annotations

from metrigen.backends.torch.printer import Function, print_function
from metrigen.emit.render import render, tuple_text
from metrigen.layers.docs import docstring, token_docs
from metrigen.layers.tokens import TokenLayer


def _functions(layer: TokenLayer) -> tuple[Function, ...]:
    first = tuple(print_function(p, 0) for p in (layer.scan.prologue, layer.scan.rotation) if p is not None)
    moving = (print_function(p, 0, name, blocks=layer.blocks) for name, p in layer.scan.programs().items())
    rates = layer.scan.rates
    return (*first, *moving, *((print_function(rates, 0),) if rates is not None else ()))


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
        docs={name: docstring(doc) for name, doc in token_docs(layer).items()},
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
