"""The text of ``reference.py`` of a layer on a graph: its functions are handed the graph."""

from __future__ import annotations

from metrigen.backends.torch.graph import print_graph_function
from metrigen.backends.torch.printer import Function, print_function
from metrigen.emit.render import render
from metrigen.ir.nodes import Cayley
from metrigen.layer.fields import FieldLayer

_DOCS = {
    "prologue": "What depends on parameters alone, computed once for all steps.",
    "step": "One step of the integrator.",
    "step_adjoint": "The variation of ``step``: cotangents of all its arguments.",
    "readout": "The components of the readout at every node.",
    "readout_adjoint": "The variation of ``readout``: cotangents of all its arguments.",
    "energy": "The energy density at every node, half of every edge at each of its ends.",
    "entropy": "The entropy density at every node.",
    "flux": "The energy that flows along every edge from its tail to its head.",
    "power": "The density of dH/dt under the dynamics.",
    "weights": "Screening of the nodes and conductance of the edges, of the operator B^T w B + m.",
    "source": "b = -dF(0), the right-hand side of (B^T w B + m) u = b.",
}


def functions(layer: FieldLayer) -> tuple[Function, ...]:
    """The programs as functions of the graph; the prologue knows no graph."""
    prologue = layer.lowered.prologue
    early = (print_function(prologue, 0),) if prologue is not None and prologue.body else ()
    return (*early, *(print_graph_function(p, name) for name, (p, _, _) in layer.optimised.items()))


def graph_reference_text(layer: FieldLayer, head: str) -> str:
    prologue = layer.lowered.prologue
    return render(
        "graph_reference.py.j2", header=head.rstrip("\n"), title=layer.class_name, functions=functions(layer),
        docs=_DOCS, stepping=layer.stepping,
        cayley=prologue is not None and any(isinstance(s, Cayley) for s in prologue.body),
    )  # fmt: skip
