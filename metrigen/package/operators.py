"""The text of ``operators.py``: the table of what a package registers in torch."""

from __future__ import annotations

from metrigen.emit.render import render
from metrigen.layer.layer import Layer
from metrigen.layer.tokens import TokenLayer
from metrigen.package.assembly import Package
from metrigen.package.tag import unsigned


def operators_text(package: Package[Layer], header: str) -> str:
    """Every operator with the names of its arrays, the kinds of those, and the backends that have kernels for them."""
    layer, used = package.layer, package.used
    kind, file = ("ScanOperators", "scan") if isinstance(layer, TokenLayer) else ("Operators", "registry")
    return render(
        "operators.py.j2", header=header, title=layer.class_name, tag=unsigned(layer.name), kind=kind, file=file,
        axes=layer.axes, kinds=dict(layer.kinds), operators=package.registered,
        always=sorted(["reference", *(b.module for b in used if not b.needs)]),
        guarded=[(b.module, b.needs.title(), b.name) for b in used if b.needs],
        backends=[(b.name, b.module) for b in used],
    )  # fmt: skip
