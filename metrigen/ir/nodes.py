"""The kinds of statements of a program.

A program works on whole arrays. What happens at one site is a SymPy expression over ``Load`` symbols (a stored array
read at an offset, ``ir.loads``), so ``diff``, ``xreplace`` and ``cse`` serve unchanged; what is linear and not
pointwise is a statement of its own. Every statement defines the names it lists exactly once; what it reads and what it
defines is declared with its fields (``ir.statement``, which says how to add one).

    Map       pointwise stencil: stores of site arrays and sums over sites, one kernel; or the same on the edges
    ParameterExpression  pointwise on parameters (no site axis)
    Reduction  sum over channels, Accumulate  sum of parameters
    ChannelMatmul  y_c = sum_d K_cd x_d, or with K^T
    ChannelSum  y_c = sum_d x_d
    Outer     M_cd = sum_{b,n} x_c y_d, the transpose of ``ChannelMatmul`` with respect to its matrix
    Cayley    R = (1 - s M)^-1 (1 + s M), orthogonal for antisymmetric M
    CayleyAdjoint  the transpose of the variation of ``Cayley``
    Solve     psi of A psi = r, A a symmetric stencil
    EdgeMap in ``ir.edges``; SiteSum, Root, RootAdjoint in ``ir.implicit``; Units in ``ir.units``
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import sympy as sp

from metrigen.ir.edges import EdgeMap
from metrigen.ir.implicit import Root, RootAdjoint, SiteSum
from metrigen.ir.kinds import Kind as Kind
from metrigen.ir.loads import Inside as Inside
from metrigen.ir.loads import Load as Load
from metrigen.ir.loads import Offset as Offset
from metrigen.ir.loads import Outside as Outside
from metrigen.ir.loads import arrays_of
from metrigen.ir.loads import at_site as at_site
from metrigen.ir.loads import loads as loads
from metrigen.ir.loads import negate as negate
from metrigen.ir.loads import offset_text as offset_text
from metrigen.ir.loads import shift as shift
from metrigen.ir.loads import stem as stem
from metrigen.ir.statement import DATA, OWN, defines, reads
from metrigen.ir.statement import Statement as Statement
from metrigen.ir.units import Units as Units


@dataclass(frozen=True)
class Array:
    """A typed name.

    symmetry  of a matrix: +1 symmetric, -1 antisymmetric, 0 neither
    driven    whether every step of a call reads a value of its own
    noise     whether these are standard normal numbers, which a call may make from hashes
    units     of the weights of a network: how many units, and how many numbers each has
    """

    name: str
    kind: Kind
    positive: bool = False
    symmetry: int = 0
    driven: bool = False
    noise: bool = False
    units: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Map(Statement):
    """One kernel over all sites (``over`` EDGE: edges): ``lets`` are values at the site, ``stores`` site arrays,
    ``sums`` reductions of a site value over samples and sites (CHANNEL) or over channels as well (SCALAR)."""

    stores: Annotated[tuple[tuple[str, sp.Expr], ...], defines("over")] = ()
    sums: Annotated[tuple[tuple[str, Kind, sp.Expr], ...], defines()] = ()
    lets: Annotated[tuple[tuple[sp.Symbol, sp.Expr], ...], OWN] = ()
    over: Annotated[Kind, DATA] = Kind.SITE


@dataclass(frozen=True)
class ParameterExpression(Statement):
    """out = expr, pointwise on parameters."""

    out: Annotated[str, defines("kind")]
    kind: Annotated[Kind, DATA]
    expr: Annotated[sp.Expr, reads()]


@dataclass(frozen=True)
class Reduction(Statement):
    """out = sum over channels of a CHANNEL array: the transpose of reading a scalar in every channel."""

    out: Annotated[str, defines(Kind.SCALAR)]
    src: Annotated[str, reads(Kind.CHANNEL)]


@dataclass(frozen=True)
class ChannelMatmul(Statement):
    """out_c = sum_d K_cd src_d at every site (``transpose``: K_dc)."""

    out: Annotated[str, defines(Kind.SITE)]
    matrix: Annotated[str, reads(Kind.MATRIX)]
    src: Annotated[str, reads(Kind.SITE)]
    transpose: Annotated[bool, DATA] = False


@dataclass(frozen=True)
class ChannelSum(Statement):
    """out_c = sum_d src_d at every site."""

    out: Annotated[str, defines(Kind.SITE)]
    src: Annotated[str, reads(Kind.SITE)]


@dataclass(frozen=True)
class Outer(Statement):
    """out_cd = sum over samples and sites of left_c right_d."""

    out: Annotated[str, defines(Kind.MATRIX)]
    left: Annotated[str, reads(Kind.SITE)]
    right: Annotated[str, reads(Kind.SITE)]


@dataclass(frozen=True)
class Accumulate(Statement):
    """out = sum of parameter-shaped arrays; of none, a zero in the shape of the parameter whose cotangent it is."""

    out: Annotated[str, defines("kind")]
    kind: Annotated[Kind, DATA]
    terms: Annotated[tuple[str, ...], reads(Kind.CHANNEL, Kind.SCALAR, Kind.MATRIX, Kind.UNITS)]


@dataclass(frozen=True)
class Cayley(Statement):
    """out = (1 - s M)^-1 (1 + s M), the exact rotation by 2 arctan of each eigenvalue of s M."""

    out: Annotated[str, defines(Kind.MATRIX)]
    matrix: Annotated[str, reads(Kind.MATRIX)]
    scale: Annotated[str, reads(Kind.SCALAR)]


@dataclass(frozen=True)
class CayleyAdjoint(Statement):
    """With R = Cayley(s M): dR = (1 - sM)^-1 d(sM) (1 + R), so A_bar = (1 - sM)^-T R_bar (1 + R)^T,
    out_matrix = s A_bar and out_scale = sum(A_bar * M)."""

    out_matrix: Annotated[str, defines(Kind.MATRIX)]
    out_scale: Annotated[str, defines(Kind.SCALAR)]
    matrix: Annotated[str, reads(Kind.MATRIX)]
    scale: Annotated[str, reads(Kind.SCALAR)]
    rotation: Annotated[str, reads(Kind.MATRIX)]
    cotangent: Annotated[str, reads(Kind.MATRIX)]


@dataclass(frozen=True)
class Solve(Statement):
    """A out = rhs in every channel by itself; ``operator`` is (A out)[n] in leaves of ``out``.

    A is symmetric and positive definite, its coefficients numbers, parameters or inputs; with ``singular`` it is
    positive semi-definite with the constants as its kernel: the mean of ``rhs`` is dropped, that of ``out`` is zero.
    """

    out: Annotated[str, defines(Kind.SITE)]
    operator: Annotated[sp.Expr, reads(unknown="out")]
    rhs: Annotated[str, reads(Kind.SITE)]
    singular: Annotated[bool, DATA]

    @property
    def coefficients(self) -> tuple[str, ...]:
        """The arrays that A is made of."""
        return tuple(sorted(arrays_of(self.operator) - {self.out}))

    def acting_on(self, array: str) -> sp.Expr:
        """(A array)[n]."""
        return self.operator.xreplace({x: x.renamed(array) for x in self.operator.atoms(Load) if x.array == self.out})


# All kinds but ``Map``, the only kernel. One that is not here is an error wherever it is met.
WHOLE = (
    ParameterExpression, Reduction, ChannelMatmul, ChannelSum, Outer, Accumulate, Cayley, CayleyAdjoint, Solve,
    EdgeMap, SiteSum, Root, RootAdjoint, Units,
)  # fmt: skip
STATEMENTS: tuple[type[Statement], ...] = (Map, *WHOLE)


@dataclass(frozen=True)
class Program:
    """Inputs, statements in order, outputs. ``outputs`` are names defined in ``body`` or inputs passed through."""

    name: str
    inputs: tuple[Array, ...]
    body: tuple[Statement, ...]
    outputs: tuple[str, ...]
    periodic: bool = True

    def kinds(self) -> dict[str, Kind]:
        """Kind of every name of the program."""
        known = {array.name: array.kind for array in self.inputs}
        for statement in self.body:
            known.update(dict(statement.defines))
        return known

    def __iter__(self) -> Iterator[Statement]:
        return iter(self.body)
