"""The three families of layers: on a lattice, on a graph, on a sequence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from metrigen.layers.fields import FieldLayer
from metrigen.layers.layer import Layer
from metrigen.layers.tokens import TokenLayer
from metrigen.package.arguments import noises
from metrigen.package.graph_module import graph_module_text
from metrigen.package.graph_sections import graph_sections
from metrigen.package.guarantees import field_cost, field_guarantees, graph_cost, token_cost, token_guarantees
from metrigen.package.module import module_text
from metrigen.package.runtime import runtime
from metrigen.package.sections import sections
from metrigen.package.sequence_module import sequence_module_text
from metrigen.package.sequence_sections import sequence_sections


@dataclass(frozen=True)
class Family:
    """What differs between the packages of layers of unlike shape; a ``Package`` or its ``Layer`` is handed to each.

    module      text of ``module.py``
    sections    of DERIVATION.md, as (title, Markdown)
    guarantees, cost  lines at the head of the reference
    runtime     the files that are equal in all packages of the family
    """

    module: Callable[[Any, str], str]
    sections: Callable[[Any], list[tuple[str, str]]]
    guarantees: Callable[[Any], list[str]]
    cost: Callable[[Any], str]
    runtime: Callable[[Any], Mapping[str, str]]


_STEPPING = "accuracy", "stretches", "trajectories"


def _graph_runtime(layer: FieldLayer) -> Mapping[str, str]:
    return {
        **({} if layer.stepping else runtime("solve", flat=".flatten(2)")),
        **runtime("graph", *_STEPPING),
    }


def _lattice_runtime(layer: FieldLayer) -> Mapping[str, str]:
    return runtime(
        "lattice", *_STEPPING, *(["noise"] if noises(layer) else []), *(["networks"] if layer.networks else [])
    )


LATTICE = Family(module_text, sections, field_guarantees, field_cost, _lattice_runtime)
GRAPH = Family(graph_module_text, graph_sections, field_guarantees, graph_cost, _graph_runtime)
SEQUENCE = Family(sequence_module_text, sequence_sections, token_guarantees, token_cost, lambda layer: runtime("scan"))


def family_of(layer: Layer) -> Family:
    if isinstance(layer, TokenLayer):
        return SEQUENCE
    return GRAPH if isinstance(layer, FieldLayer) and layer.on_edges else LATTICE
