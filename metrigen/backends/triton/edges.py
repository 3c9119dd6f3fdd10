"""What a kernel of a GPU would move along the edges of a graph: the estimate beside the reason that there is none."""

from __future__ import annotations

from metrigen.backends.graph_partition import graph_partition
from metrigen.ir.edges import EdgeMap
from metrigen.ir.nodes import Kind, Program
from metrigen.layers.operator import Operator


def edge_traffic(operator: Operator) -> str:
    """Why there is no kernel, to follow the name of the backend, with the bytes that one would move in float32."""
    if operator.kind == "solve":
        return (
            "cannot gather along edges yet: torch factorises dense ones, an iteration by a kernel would take 16 "
            "bytes an edge and channel"
        )
    edges, nodes = _bytes(operator.forward)
    each = "a step" if operator.kind == "steps" else "a call"
    return (
        f"cannot gather along edges yet; a kernel would move {edges} bytes an edge and {nodes} a node {each}, a channel"
    )


def _bytes(program: Program) -> tuple[int, int]:
    """Of an edge, seen from both of its ends: what is read at the other end, its own values, and its number; of a node
    what its fusion groups read and write."""
    partition, kinds = graph_partition(program), program.kinds()
    edges = nodes = 0
    for fusion in partition.fusions if partition is not None else ():
        ends = {s.src for s in fusion.edges if isinstance(s, EdgeMap)}
        made = {n for s in fusion.edges for n, _ in s.defines}
        read = {n for s in (*fusion.edges, *fusion.gathers, *fusion.nodes) for n in s.reads}
        own = {n for n in read if kinds[n] is Kind.EDGE} - made
        edges += 8 * (len(ends) + len(own) + 1) * bool(fusion.edges)
        nodes += 4 * (len([n for n in read if kinds[n] is Kind.SITE]) + len(fusion.stored))
    return edges, nodes
