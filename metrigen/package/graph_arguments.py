"""What the methods of a layer on a graph pass to its programs: node and edge arrays, handed in or learned."""

from __future__ import annotations

from collections.abc import Sequence

from metrigen.ir.nodes import Array, Kind, Program
from metrigen.layers.layer import Layer
from metrigen.package.arguments import floats
from metrigen.spec.domain import Network
from metrigen.spec.symbols import Param


def network_of(layer: Layer) -> Network | None:
    return layer.source.spec.system.domain.network


def learned_per(layer: Layer, per: str) -> list[str]:
    """Parameters with one value a node ("site"), or one an edge."""
    return [n for n, s in layer.given.parameters.items() if isinstance(s, Param) and s.per == per and not s.is_matrix]


def inputs_of(layer: Layer) -> list[Array]:
    """Arrays that ``forward`` is handed."""
    own = {*learned_per(layer, "site"), *learned_per(layer, "edge")}
    return [a for a in layer.lowered.dynamics.inputs if a.name not in own]


def keywords(layer: Layer, optional: bool, extra: str = "") -> str:
    default = " | None = None" if optional else ""
    names = [f"{a.name}: Tensor{default}" for a in inputs_of(layer)]
    first = [] if network_of(layer) is not None else ["edge_index: Tensor | None = None"]
    text = ", ".join([*first, *names]) + extra
    return f", *, {text.removeprefix(', ')}" if text else ""


def of_sample(layer: Layer, name: str) -> str:
    """Expression of an input as a node array, of one number a sample as well."""
    return f"of_sample({name}, 3, {name!r})" if name in layer.given.of_samples else name


def value(layer: Layer, array: Array, like: str) -> str:
    """Expression of one argument of a program inside a method, in the dtype of the state."""
    name = array.name
    own = name in learned_per(layer, "site") or name in learned_per(layer, "edge")
    if name in layer.given.of_samples:
        return f"at_nodes({of_sample(layer, name)}, {like}, {name!r})"
    if array.kind is Kind.SITE:
        return f"at_nodes({'self.' * own}{name}, {like}, {name!r})"
    if array.kind is Kind.EDGE:
        return f"along_edges({'self.' * own}{name}, {like}, _graph, {name!r})"
    if name == "t":
        return f"at_time(t, {like}, _graph)"
    return f"step_of(self.{name}, {like})" if name in floats(layer) else f"self.{name}.to({like}.dtype)"


def arguments_of(
    layer: Layer, program: Program, like: str, skip: Sequence[str] = (), ready: Sequence[str] = ()
) -> list[str]:
    """Expressions of the arguments of a program but those in ``skip``; those in ``ready`` are variables at hand."""
    made = {*layer.lowered.prologue.outputs, *layer.lowered.fields, *ready} - set(skip)
    return [a.name if a.name in made else value(layer, a, like) for a in program.inputs if a.name not in skip]
