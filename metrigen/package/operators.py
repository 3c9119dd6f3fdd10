"""The text of ``operators.py``: the table of what a package registers in torch."""

from __future__ import annotations

from typing import Any

from metrigen.emit.render import render
from metrigen.layers.fields import FieldLayer
from metrigen.layers.layer import Layer
from metrigen.layers.tokens import TokenLayer
from metrigen.package.assembly import Package
from metrigen.package.tag import unsigned

MOST = 64  # arguments of an operator that torch takes one by one


def wide(package: Package[Any]) -> bool:
    """Whether an operator has more arguments than that."""
    layer = package.layer
    beside = 3 if isinstance(layer, FieldLayer) and layer.on_edges else 0  # ends of edges, and what is said of them
    return any(operator.arguments + beside > MOST for operator in package.registered)


def operators_text(package: Package[Layer], header: str) -> str:
    """Every operator with the names of its arrays, the kinds of those, and the backends that have kernels for them."""
    layer, used = package.layer, package.used
    kind, file = ("Operators", "registry")
    if isinstance(layer, TokenLayer):
        kind, file = ("ScanOperators", "scan")
    elif isinstance(layer, FieldLayer) and layer.on_edges:
        kind, file = ("GraphOperators", "graph_operators") if layer.stepping else ("SteadyOperators", "graph_solves")
    return render(
        "operators.py.j2", header=header, title=layer.class_name, tag=unsigned(layer.name), kind=kind, file=file,
        wide=wide(package), axes=layer.axes, kinds=dict(layer.kinds), operators=package.registered,
        always=sorted(["reference", *(b.module for b in used if not b.needs)]),
        guarded=[(b.module, b.needs.title(), b.name) for b in used if b.needs],
        backends=[(b.name, b.module) for b in used],
    )  # fmt: skip
