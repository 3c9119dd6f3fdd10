"""The text of ``operators.py``: the table of what a package registers in torch."""

from __future__ import annotations

from metrigen.emit.render import render
from metrigen.layers.operators import kinds
from metrigen.package.assembly import Package
from metrigen.package.tag import unsigned

MOST = 64  # arguments of an operator that torch takes one by one


def wide(package: Package) -> bool:
    """Whether an operator has more arguments than that."""
    beside = 3 if package.layer.shape.on_edges else 0  # ends of edges, and what is said of them
    return any(operator.arguments + beside > MOST for operator in package.registered)


def reads(package: Package) -> bool:
    """Whether an operator reads states right after steps."""
    return any(operator.maker == "rollout_readout" for operator in package.registered)


def operators_text(package: Package, header: str) -> str:
    """Every operator with the names of its arrays, the kinds of those, and the backends that have kernels for them."""
    layer, used = package.layer, package.used
    kind, file = ("ReadingOperators", "readings") if reads(package) else ("Operators", "registry")
    if layer.shape.remembers:
        kind, file = "MemoryOperators", "memory"
    elif layer.shape.on_tokens:
        kind, file = "ScanOperators", "scan"
    elif layer.shape.on_edges:
        kind, file = "SteadyOperators", "graph_solves"
        if layer.shape.stepping:
            kind, file = "GraphOperators", "graph_operators"
    return render(
        "operators.py.j2", header=header, title=layer.source.class_name, tag=unsigned(layer.source.name),
        kind=kind, file=file, wide=wide(package), axes=layer.shape.axes,
        kinds=dict(kinds(layer)), operators=package.registered,
        always=sorted(["reference", *(b.module for b in used if not b.needs)]),
        guarded=[(b.module, b.needs.title(), b.name) for b in used if b.needs],
        backends=[(b.name, b.module) for b in used],
    )  # fmt: skip
