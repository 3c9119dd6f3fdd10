"""Where a simulation lives: the sites of a lattice, one point, or the nodes of a small graph."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import networkx
import numpy as np

from metrigen.errors import SpecError
from metrigen.spec.domain import EDGE, NODE, Domain
from metrigen.spec.system import System

SIDES = {0: (), 1: (128,), 2: (64, 64), 3: (24, 24, 24)}
NODES = 16
GRAPHS = ("ring", "path", "grid", "complete", "star")


@dataclass(frozen=True)
class Place:
    """shape     of a field beyond samples and channels; ``edges`` of what lives on edges
    coordinates  name of an axis (or ``node``, ``edge``) -> its values, which broadcast to the shape
    lengths      name of an axis -> its length, N h
    volume       of a site
    incidence    (E, N) of a graph
    """

    shape: tuple[int, ...]
    coordinates: Mapping[str, np.ndarray]
    lengths: Mapping[str, float]
    volume: float = 1.0
    incidence: np.ndarray | None = None
    edge_values: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def edges(self) -> int:
        return 0 if self.incidence is None else len(self.incidence)

    @property
    def of_edges(self) -> Place:
        """The edges of the graph as sites of their own; a site is its number."""
        return Place((self.edges,), self.edge_values, {EDGE.name: float(self.edges)})


def place_of(system: System, size: tuple[int, ...] | None, graph: str) -> Place:
    """The sites of a system that is ``steppable``. ``size``: sites along every axis, or along all; nodes of a graph.
    Raises SpecError."""
    if not system.domain.continuum:
        return _graph(system.domain, size, graph)
    rank = len(system.domain.axes)
    sides = _sides(SIDES[rank] if size is None else size, rank)
    h = float(system.lattice.spacing)
    coordinates, lengths = {}, {}
    for axis, symbol in enumerate(system.domain.axes):
        x = (np.arange(sides[axis]) + 0.5) * h
        coordinates[symbol.name] = x.reshape([-1 if k == axis else 1 for k in range(rank)])
        lengths[symbol.name] = sides[axis] * h
    return Place(sides, coordinates, lengths, h**rank)


def _sides(size: tuple[int, ...], rank: int) -> tuple[int, ...]:
    sides = size * rank if len(size) == 1 and rank else size
    if len(sides) != rank:
        what = f"a size of {len(size)} numbers, and the lattice has {rank} axes" if rank else "a point has no size"
        raise SpecError(
            what,
            part="domain",
            fix=f"--size {','.join(map(str, SIDES[rank]))}" if rank else "no --size",
            see="simulate-options",
        )
    return sides


def _graph(domain: Domain, size: tuple[int, ...] | None, name: str) -> Place:
    if domain.network is not None:
        nodes, edges = domain.network.nodes, [*domain.network.edges]
        if size is not None and size != (nodes,):
            raise SpecError(
                f"the graph of the spec has {nodes} nodes", part="domain", fix="no --size", see="simulate-options"
            )
    else:
        nodes, edges = _named(name, size)
    incidence = np.zeros((len(edges), nodes))
    for k, (tail, head) in enumerate(edges):
        incidence[k, tail], incidence[k, head] = -1.0, 1.0
    coordinates, edge_values = (
        {NODE.name: np.arange(nodes, dtype=float)},
        {EDGE.name: np.arange(len(edges), dtype=float)},
    )
    return Place((nodes,), coordinates, {NODE.name: float(nodes)}, 1.0, incidence, edge_values)


def _named(name: str, size: tuple[int, ...] | None) -> tuple[int, list[tuple[int, int]]]:
    """Nodes and edges of a graph by its name."""
    sides = (NODES,) if size is None else size
    if name not in GRAPHS or (len(sides) > 1 and name != "grid"):
        raise SpecError(
            f"no graph {name!r} of size {sides}",
            fix=f"--graph {', '.join(GRAPHS)}; --size 16, or 4,4 for a grid",
            see="simulate-options",
        )
    if name == "grid":
        side = max(k for k in range(1, math.isqrt(sides[0]) + 1) if sides[0] % k == 0)
        found = networkx.grid_graph(sides[::-1] if len(sides) > 1 else (sides[0] // side, side))
        found = networkx.convert_node_labels_to_integers(found, ordering="sorted")
    else:
        made = {"ring": networkx.cycle_graph, "path": networkx.path_graph, "complete": networkx.complete_graph,
                "star": lambda n: networkx.star_graph(n - 1)}  # fmt: skip
        found = made[name](sides[0])
    pairs = sorted((min(a, b), max(a, b)) for a, b in found.edges if a != b)
    return len(found), pairs
