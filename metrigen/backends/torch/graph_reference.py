"""The text of ``reference.py`` of a layer on a graph: its functions are handed the graph."""

from __future__ import annotations

from collections.abc import Sequence

from metrigen.backends.torch.graph import print_graph_function
from metrigen.backends.torch.printer import Function, print_function
from metrigen.backends.torch.reference import driven_places
from metrigen.emit.render import render
from metrigen.ir.nodes import Array, Cayley, Kind
from metrigen.layers.docs import docstring, field_docs
from metrigen.layers.layer import Layer


def functions(layer: Layer) -> tuple[Function, ...]:
    """The programs as functions of the graph; the prologue knows no graph."""
    prologue = layer.lowered.prologue
    early = (print_function(prologue, 0),) if prologue.body else ()
    return (*early, *(print_graph_function(p, name) for name, p in layer.programs.items()))


def graph_reference_text(layer: Layer, head: str) -> str:
    step = layer.programs.get("step")
    return render(
        "graph_reference.py.j2", header=head.rstrip("\n"), title=layer.source.class_name, functions=functions(layer),
        docs={name: docstring(doc) for name, doc in field_docs(layer.lowered).items()}, stepping=step is not None,
        driven=driven_places(layer), components=len(layer.programs["readout"].outputs),
        edges_read=_edges(layer.programs["readout"].inputs),
        edges_fixed=_edges([a for a in step.inputs if a.name not in layer.lowered.fields]) if step else (),
        noise=(),  # a graph has no temperature
        fields=len(layer.lowered.fields),
        cayley=any(isinstance(s, Cayley) for s in layer.lowered.prologue),
    )  # fmt: skip


def _edges(arrays: Sequence[Array]) -> tuple[int, ...]:
    """Places of edge arrays."""
    return tuple(i for i, a in enumerate(arrays) if a.kind is Kind.EDGE)
