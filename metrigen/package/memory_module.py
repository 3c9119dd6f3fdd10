"""What ``module.py`` of a matrix memory has of its own: the scan along the tokens and the step of one."""

from __future__ import annotations

from metrigen.emit.render import render
from metrigen.layers.layer import Layer
from metrigen.package.arguments import parameters
from metrigen.package.assembly import Package, backend_constants
from metrigen.package.call_docs import REFUSED, table
from metrigen.package.checks import declarations
from metrigen.package.module import Parts
from metrigen.package.settings import learned_step, making_lines
from metrigen.package.surface import surface_constants


def memory_parts(package: Package) -> Parts:
    """What a layer of a matrix memory has of its own."""
    layer = package.layer
    memory = layer.lowered.memory
    names = dict(zip(layer.source.derivation.fields, layer.lowered.fields, strict=True))
    sizes = (memory.key, memory.value)
    about = (f"channels  number C of heads\n{memory.key}, {memory.value}  rows and columns of the matrix of a head\n"
             f"{package.option_doc}")  # fmt: skip
    return Parts(
        about=". Equations, laws and the form of a token: DERIVATION.md beside this file.",
        axes=4,
        base="BaseLayer",
        state_doc=f"Matrices (B, C, {memory.key}, {memory.value}), in single precision at least: after the last token.",
        class_doc=about,
        constants=[
            *surface_constants(layer, names, start="state"),
            ("CONFIG", repr(("channels", *sizes, "backend"))),
            ("DYNAMICS", repr(sizes)),
            ("SPEC", f'"{layer.source.spec.sha256[:16]}"'),
            *declarations(layer.source.derivation, memory.inputs),
            ("AXES", repr(dict(memory.inputs))),
            *backend_constants(package),
        ],
        arguments=[*(f"{name}: int" for name in sizes), *(["dt: float | None = None"] if learned_step(layer) else [])],
        making=[*(f'self.{n} = as_count({n}, "{n}", 1)' for n in sizes), *making_lines(layer, learned_step(layer))],
        methods=_methods(layer),
        read=_read(layer),
    )


def _read(layer: Layer) -> str:
    """The type of what is read."""
    return "tuple[Tensor, Tensor]" if layer.lowered.memory.energy.there else "Tensor"


def _methods(layer: Layer) -> list[str]:
    memory = layer.lowered.memory
    shapes: dict[tuple[str, ...], list[str]] = {}
    for name, axes in memory.inputs.items():
        shapes.setdefault(axes, []).append(name)
    rows = [(", ".join(names), f"({', '.join(('B', 'C', 'T', *axes))})") for axes, names in sorted(shapes.items())]
    rows += [
        ("state", "before the first token (default zero)"),
        ("reset", "(B, C, T) or what broadcasts to it: where it is not 0 the state is zero before the token"),
    ]
    text = render(
        "memory_methods.py.j2",
        class_name=layer.source.class_name,
        fields=memory.fields,
        inputs=list(memory.inputs),
        energy=memory.energy.there,
        chunked=memory.chunked,
        read_type=_read(layer),
        key=memory.key,
        value=memory.value,
        parameters=parameters(layer),
        rows=table(rows),
        refused=REFUSED,
    )
    return text.rstrip("\n").split("\n")
