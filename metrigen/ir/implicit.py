"""Statements that are not local: sums over the sites of a plane, and the solution of equations.

    SiteSum      y[n] = sum over the sites (and channels) of x, the same value at every n
    Root         z of R(z, given) = 0
    RootAdjoint  w of (dR/dz)^T w = c at such a z

By the implicit function theorem dz = -(dR/dz)^-1 dR/dgiven: the reverse of ``Root`` is ``RootAdjoint`` with the
cotangent of z as c, then the variation of R in ``given`` with the cotangent -w. No iteration is ever reversed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from metrigen.ir.kinds import Kind
from metrigen.ir.statement import DATA, Statement, defines, reads

if TYPE_CHECKING:
    from metrigen.ir.nodes import Program


@dataclass(frozen=True)
class SiteSum(Statement):
    """out[b, c, n] = sum_m src[b, c, m]; with ``channels`` the sum over all channels as well. Its own transpose."""

    out: Annotated[str, defines(Kind.SITE)]
    src: Annotated[str, reads(Kind.SITE)]
    channels: Annotated[bool, DATA]


@dataclass(frozen=True)
class Equation:
    """R(z, given) = 0 for site arrays z, with J = dR/dz; every program but ``pullback`` has one output per unknown.

    residual    z, given -> R
    tangent     z, given, v -> J v
    transposed  z, given, w -> J^T w
    pullback    z, given, w -> w . dR/dgiven, one output per array of ``given``
    coupled     the channels of a sample are one equation; else every channel is one of its own
    """

    name: str
    unknowns: int
    residual: Program
    tangent: Program
    transposed: Program
    pullback: Program
    coupled: bool

    @property
    def programs(self) -> tuple[Program, ...]:
        return (self.residual, self.tangent, self.transposed, self.pullback)


@dataclass(frozen=True)
class Root(Statement):
    """outs = z of ``equation``, iterated from ``starts``, which have no influence on it."""

    outs: Annotated[tuple[str, ...], defines(Kind.SITE)]
    equation: Annotated[Equation, DATA]
    starts: Annotated[tuple[str, ...], reads(Kind.SITE)]
    given: Annotated[tuple[str, ...], reads()]


@dataclass(frozen=True)
class RootAdjoint(Statement):
    """outs = w of J^T w = sources, with J of ``equation`` at the solution ``at``."""

    outs: Annotated[tuple[str, ...], defines(Kind.SITE)]
    equation: Annotated[Equation, DATA]
    at: Annotated[tuple[str, ...], reads(Kind.SITE)]
    given: Annotated[tuple[str, ...], reads()]
    sources: Annotated[tuple[str, ...], reads(Kind.SITE)]
