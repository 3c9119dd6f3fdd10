"""The text of ``reference.py`` of a layer on a sequence."""

from __future__ import annotations

from metrigen.backends.torch.printer import Function, print_function
from metrigen.emit.render import render, tuple_text
from metrigen.integrators.scan import Scan
from metrigen.layers.docs import docstring, token_docs
from metrigen.layers.layer import Layer


def _functions(scan: Scan) -> tuple[Function, ...]:
    early = [print_function(p, 0) for p in (scan.prologue, scan.rotation) if p.body]
    moving = [print_function(p, 0, name, blocks=scan.block_of) for name, p in scan.programs().items()]
    return (*early, *moving, *([print_function(scan.rates, 0)] if scan.rates.body else []))


def scan_reference_text(layer: Layer, head: str) -> str:
    scan = layer.lowered.scan
    read = {a.name for a in scan.back.inputs}
    return render(
        "sequence_reference.py.j2",
        header=head.rstrip("\n"),
        title=layer.source.class_name,
        fields=repr(scan.fields),
        tokens=repr(scan.tokens),
        coefficients=repr(scan.coefficients),
        stumpff=bool(scan.orders),
        functions=_functions(scan),
        docs={name: docstring(doc) for name, doc in token_docs(layer).items()},
        coupled=bool(scan.rotations),
        blocks=repr(scan.blocks),
        back_tokens=tuple_text([f"tokens[{i}]" for i, name in enumerate(scan.tokens) if name in read]),
        back_reads=_chosen(scan, scan.reads(scan.back)),
        propagator_reads=_chosen(scan, scan.reads(scan.propagator)),
        step_reads=_chosen(scan, scan.reads(scan.step)),
        step_names=repr(scan.reads(scan.step)),
        readout_names=repr(scan.reads(scan.readout)),
    )


def _chosen(scan: Scan, names: tuple[str, ...]) -> str:
    """Coefficients by their place, in the order in which a program takes them."""
    if names == scan.coefficients:
        return "coefficients"
    return tuple_text([f"coefficients[{scan.coefficients.index(n)}]" for n in names])
