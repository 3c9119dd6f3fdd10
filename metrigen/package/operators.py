"""The text of ``operators.py``: the table of what a package registers in torch."""

from __future__ import annotations

from metrigen.emit.render import render
from metrigen.layers.operators import kinds
from metrigen.package.assembly import Package
from metrigen.package.tag import unsigned

MOST = 64  # arguments of an operator that torch takes one by one
_CLASSES = {
    "registry": "Operators", "evolving": "EvolvingOperators", "readings": "ReadingOperators",
    "solving": "SolvingOperators", "graph_operators": "GraphOperators", "graph_solves": "SteadyOperators",
    "scan": "ScanOperators", "memory": "MemoryOperators",
}  # fmt: skip


def wide(package: Package) -> bool:
    """Whether an operator has more arguments than that."""
    beside = 3 if package.layer.shape.on_edges else 0  # ends of edges, and what is said of them
    return any(operator.arguments + beside > MOST for operator in package.registered)


def files_of(package: Package) -> tuple[str, ...]:
    """The files of the runtime that make its operators: one that adds to another stands behind it, and the last of
    those on a lattice has the class of all."""
    makers, shape = {operator.maker for operator in package.registered}, package.layer.shape
    if shape.remembers or shape.on_tokens:
        found = ["memory" if shape.remembers else "scan"]
    elif shape.on_edges:
        found = ["graph_operators"] if shape.stepping else ["graph_operators", "graph_solves"]
    else:
        found = ["evolving"] if "evolve" in makers else []
        found += ["readings"] if "rollout_readout" in makers else []
        found += ["solving"] if makers & {"implicit", "solve"} else []
    return ("direct", "registry", *found)


def operators_text(package: Package, header: str) -> str:
    """Every operator with the names of its arrays, the kinds of those, and the backends that have kernels for them."""
    layer, used = package.layer, package.used
    file = files_of(package)[-1]
    return render(
        "operators.py.j2", header=header, title=layer.source.class_name, tag=unsigned(layer.source.name),
        kind=_CLASSES[file], file=file, wide=wide(package), axes=layer.shape.axes,
        kinds=dict(kinds(layer)), operators=package.registered,
        always=sorted(["reference", *(b.module for b in used if not b.needs)]),
        guarded=[(b.module, b.needs.title(), b.name) for b in used if b.needs],
        backends=[(b.name, b.module) for b in used],
    )  # fmt: skip
