"""The four families of layers: on a lattice, on a graph, on a sequence, and the matrix memories of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from metrigen.layers.layer import Layer
from metrigen.package.arguments import noises
from metrigen.package.assembly import Package
from metrigen.package.guarantees import field_cost, field_guarantees, graph_cost, token_cost, token_guarantees
from metrigen.package.module import Parts
from metrigen.package.runtime import runtime


@dataclass(frozen=True)
class Family:
    """What differs between the packages of layers of unlike shape; a ``Package`` or its ``Layer`` is handed to each.

    module      what ``module.py`` has of it
    sections    of DERIVATION.md, as (title, Markdown)
    guarantees, cost  lines at the head of the reference
    runtime     the files that are equal in all packages of the family
    """

    module: Callable[[Package], Parts]
    sections: Callable[[Package], list[tuple[str, str]]]
    guarantees: Callable[[Package], list[str]]
    cost: Callable[[Layer], str]
    runtime: Callable[[Layer], Mapping[str, str]]


_STEPPING = "accuracy", "frames", "inductor", "stretches", "trajectories"


def _graph_runtime(layer: Layer) -> Mapping[str, str]:
    return {
        **({} if layer.shape.stepping else runtime("solve", flat=".flatten(2)")),
        **runtime("graph", "nodes", *_STEPPING),
    }


def _lattice_runtime(layer: Layer) -> Mapping[str, str]:
    further = [*(["noise"] if noises(layer) else []), *(["networks"] if layer.given.networks else [])]
    return runtime("again", "lattice", *_STEPPING, *further)


def _lattice() -> Family:
    from metrigen.package.lattice_module import lattice_parts
    from metrigen.package.sections import sections

    return Family(lattice_parts, sections, field_guarantees, field_cost, _lattice_runtime)


def _graph() -> Family:
    from metrigen.package.graph_module import graph_parts
    from metrigen.package.graph_sections import graph_sections

    return Family(graph_parts, graph_sections, field_guarantees, graph_cost, _graph_runtime)


def _sequence() -> Family:
    from metrigen.package.sequence_module import token_parts
    from metrigen.package.sequence_sections import sequence_sections

    return Family(token_parts, sequence_sections, token_guarantees, token_cost, lambda layer: runtime("scan"))


def _memory() -> Family:
    from metrigen.package.memory_module import memory_parts
    from metrigen.package.memory_sections import memory_cost, memory_guarantees, memory_sections

    return Family(memory_parts, memory_sections, memory_guarantees, memory_cost, lambda layer: runtime("memory"))


def family_of(layer: Layer) -> Family:
    """The family of a layer; a build imports the files of that one alone."""
    if layer.shape.remembers:
        return _memory()
    return _sequence() if layer.shape.on_tokens else _graph() if layer.shape.on_edges else _lattice()
