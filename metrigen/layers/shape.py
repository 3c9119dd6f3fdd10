"""What kind of layer it is: where its numbers lie, and whether it takes steps."""

from __future__ import annotations

from dataclasses import dataclass

from metrigen.integrators.memory import Memory
from metrigen.integrators.scan import Scan
from metrigen.programs import Lowered, TimeStep


@dataclass(frozen=True)
class Shape:
    """Where the numbers of a layer lie, and whether it steps through time.

    rank       axes of the lattice
    on_edges   its programs run along the edges of a graph
    on_tokens  its time is the token axis
    remembers  it is a matrix memory on a sequence
    """

    rank: int
    stepping: bool
    on_edges: bool
    on_tokens: bool
    remembers: bool

    @property
    def axes(self) -> int:
        """Axes of what an operator is handed: batch, channels, and those of the sites, the nodes, or the tokens."""
        return 2 + self.rank + self.on_edges + self.on_tokens


def shape_of(lowered: Lowered) -> Shape:
    dynamics, evolution = lowered.dynamics, lowered.evolution
    return Shape(
        rank=len(dynamics.origin),
        stepping=isinstance(evolution, TimeStep),
        on_edges=dynamics.lowering.along_edges,
        on_tokens=isinstance(evolution, Scan),
        remembers=isinstance(evolution, Memory),
    )
