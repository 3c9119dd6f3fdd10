"""The linear maps between the nodes and the edges of a graph, as statements.

B is the incidence matrix of arbitrarily oriented edges, (B f)_e = f_head - f_tail; |B| has the entries |B_en|.

    difference     B f            nodes -> edges
    codifference   B^T j          edges -> nodes    the transpose of difference
    average        |B| f / 2      nodes -> edges
    share          |B|^T j / 2    edges -> nodes    the transpose of average
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated

from metrigen.ir.kinds import Kind
from metrigen.ir.statement import DATA, Statement, defines, reads


class Along(Enum):
    """Which of the four maps."""

    DIFFERENCE = "difference"
    CODIFFERENCE = "codifference"
    AVERAGE = "average"
    SHARE = "share"

    @property
    def transpose(self) -> Along:
        return _TRANSPOSES[self]

    @property
    def onto(self) -> Kind:
        """Where its values live."""
        return Kind.EDGE if self in (Along.DIFFERENCE, Along.AVERAGE) else Kind.SITE


_TRANSPOSES = {
    Along.DIFFERENCE: Along.CODIFFERENCE,
    Along.CODIFFERENCE: Along.DIFFERENCE,
    Along.AVERAGE: Along.SHARE,
    Along.SHARE: Along.AVERAGE,
}


@dataclass(frozen=True)
class EdgeMap(Statement):
    """out = along(src)."""

    out: Annotated[str, defines("onto")]
    along: Annotated[Along, DATA]
    src: Annotated[str, reads(Kind.SITE, Kind.EDGE)]

    @property
    def onto(self) -> Kind:
        """Where its values live."""
        return self.along.onto
