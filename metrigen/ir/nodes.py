"""The node kinds of a program.

A program works on whole arrays. What happens at one site is a SymPy expression over ``Leaf`` symbols (a stored array
read at an offset), so ``diff``, ``xreplace`` and ``cse`` serve unchanged; what is linear and not pointwise is a
statement of its own. Every statement defines the names it lists exactly once.

    Leaf      x[n + s], zero outside the lattice (periodic: wrapped)
    Inside    1 where n + s lies on the lattice, else 0; Outside the other way round
    Map       pointwise stencil: stores of site arrays and sums over sites, one kernel; or the same on the edges
    Local     pointwise on parameters (no site axis)
    Mix       y_c = sum_d K_cd x_d, or with K^T
    Total     y_c = sum_d x_d
    Outer     M_cd = sum_{b,n} x_c y_d, the transpose of ``Mix`` with respect to its matrix
    Cayley    R = (1 - s M)^-1 (1 + s M), orthogonal for antisymmetric M
    CayleyAdjoint  the transpose of the variation of ``Cayley``
    Solve     psi of A psi = r, A a symmetric stencil
    EdgeMap in ``ir.edges``; SiteSum, Root, RootAdjoint in ``ir.implicit``
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

import sympy as sp

from metrigen.ir.edges import EdgeMap
from metrigen.ir.implicit import Root, RootAdjoint, SiteSum
from metrigen.ir.kinds import Kind as Kind

Offset = tuple[int, ...]


def offset_text(offset: Offset) -> str:
    return "_".join(f"p{o}" if o > 0 else f"m{-o}" if o < 0 else "0" for o in offset)


class Leaf(sp.Symbol):
    """A stored site array read at an offset: ``array[n + offset]``."""

    __slots__ = ("array", "offset")
    array: str
    offset: Offset

    def __new__(cls, array: str, offset: Offset, positive: bool = False) -> Leaf:  # type: ignore[misc]
        signs = {"positive": True} if positive else {}
        name = f"{array}__{offset_text(offset)}" if any(offset) else array
        self = sp.Symbol.__xnew__(cls, name, real=True, **signs)
        self.array, self.offset = array, offset
        return self

    def _hashable_content(self) -> tuple[Any, ...]:
        # The origin of two ranks has one name, and SymPy's caches hand out whatever compares equal.
        return (*super()._hashable_content(), self.offset)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return Leaf, (self.array, self.offset, bool(self.is_positive))

    def shifted(self, by: Offset) -> Leaf:
        return Leaf(self.array, _add(self.offset, by), bool(self.is_positive))

    def renamed(self, array: str) -> Leaf:
        return Leaf(array, self.offset, bool(self.is_positive))


class Inside(sp.Symbol):
    """The indicator of the lattice at an offset: 1 where n + offset is a site, else 0."""

    __slots__ = ("offset",)
    offset: Offset

    def __new__(cls, offset: Offset) -> Inside:  # type: ignore[misc]
        name = f"{cls.__name__.lower()}__{offset_text(offset)}"
        self = sp.Symbol.__xnew__(cls, name, real=True, nonnegative=True)
        self.offset = offset
        return self

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return type(self), (self.offset,)

    def shifted(self, by: Offset) -> Inside:
        return type(self)(_add(self.offset, by))


class Outside(Inside):
    """1 - Inside, as a symbol of its own so that its sign is known."""


def at_site(expr: sp.Expr, origin: Offset) -> sp.Expr:
    """The expression where the site itself is known to lie on the lattice."""
    return expr.xreplace({Inside(origin): sp.S.One, Outside(origin): sp.S.Zero})


def _add(a: Offset, b: Offset) -> Offset:
    return tuple(i + j for i, j in zip(a, b, strict=True))


def negate(offset: Offset) -> Offset:
    return tuple(-i for i in offset)


def stem(name: str) -> str:
    """What an array is, without what makes its name unique: phi of phi__3, lambda_ of lambda___3."""
    return re.split(r"__(?=[^_])", name)[0]


def leaves(expr: sp.Expr) -> list[Leaf]:
    """The leaves of an expression in a fixed order: by array, then offset."""
    return sorted(expr.atoms(Leaf), key=lambda leaf: (leaf.array, leaf.offset))


def shift(expr: sp.Expr, by: Offset) -> sp.Expr:
    """The expression at site n + by: every read moves, coefficients included."""
    if not any(by):
        return expr
    return expr.xreplace({atom: atom.shifted(by) for atom in expr.atoms(Leaf, Inside)})


def _arrays(expr: sp.Expr, own: Set[sp.Symbol] = frozenset()) -> set[str]:
    """Names of the arrays and parameters of an expression; ``own`` symbols are neither."""
    atoms = (atom for atom in expr.free_symbols - own if not isinstance(atom, Inside))
    return {atom.array if isinstance(atom, Leaf) else atom.name for atom in atoms}


@dataclass(frozen=True)
class Array:
    """A typed name. ``symmetry`` of a matrix: +1 symmetric, -1 antisymmetric, 0 neither."""

    name: str
    kind: Kind
    positive: bool = False
    symmetry: int = 0


@dataclass(frozen=True)
class Map:
    """One kernel over all sites (``over`` EDGE: edges): ``lets`` are values at the site, ``stores`` site arrays,
    ``sums`` reductions of a site value over samples and sites (CHANNEL) or over channels as well (SCALAR)."""

    stores: tuple[tuple[str, sp.Expr], ...] = ()
    sums: tuple[tuple[str, Kind, sp.Expr], ...] = ()
    lets: tuple[tuple[sp.Symbol, sp.Expr], ...] = ()
    over: Kind = Kind.SITE

    @property
    def defines(self) -> tuple[tuple[str, Kind], ...]:
        return (*((name, self.over) for name, _ in self.stores), *((name, kind) for name, kind, _ in self.sums))

    @property
    def expressions(self) -> tuple[sp.Expr, ...]:
        return (*(e for _, e in self.lets), *(e for _, e in self.stores), *(e for _, _, e in self.sums))

    @property
    def reads(self) -> tuple[str, ...]:
        own = {symbol for symbol, _ in self.lets}
        return tuple(sorted(set().union(*(_arrays(e, own) for e in self.expressions))))


@dataclass(frozen=True)
class Local:
    """out = expr, pointwise on parameters."""

    out: str
    kind: Kind
    expr: sp.Expr

    @property
    def defines(self) -> tuple[tuple[str, Kind], ...]:
        return ((self.out, self.kind),)

    @property
    def reads(self) -> tuple[str, ...]:
        return tuple(sorted(s.name for s in self.expr.free_symbols))


@dataclass(frozen=True)
class Fold:
    """out = sum over channels of a CHANNEL array: the transpose of reading a scalar in every channel."""

    out: str
    src: str

    @property
    def defines(self) -> tuple[tuple[str, Kind], ...]:
        return ((self.out, Kind.SCALAR),)

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.src,)


@dataclass(frozen=True)
class Mix:
    """out_c = sum_d K_cd src_d at every site (``transpose``: K_dc)."""

    out: str
    matrix: str
    src: str
    transpose: bool = False

    @property
    def defines(self) -> tuple[tuple[str, Kind], ...]:
        return ((self.out, Kind.SITE),)

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.matrix, self.src)


@dataclass(frozen=True)
class Total:
    """out_c = sum_d src_d at every site."""

    out: str
    src: str

    @property
    def defines(self) -> tuple[tuple[str, Kind], ...]:
        return ((self.out, Kind.SITE),)

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.src,)


@dataclass(frozen=True)
class Outer:
    """out_cd = sum over samples and sites of left_c right_d."""

    out: str
    left: str
    right: str

    @property
    def defines(self) -> tuple[tuple[str, Kind], ...]:
        return ((self.out, Kind.MATRIX),)

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.left, self.right)


@dataclass(frozen=True)
class Accumulate:
    """out = sum of parameter-shaped arrays; of none, a zero in the shape of the parameter whose cotangent it is."""

    out: str
    kind: Kind
    terms: tuple[str, ...]

    @property
    def defines(self) -> tuple[tuple[str, Kind], ...]:
        return ((self.out, self.kind),)

    @property
    def reads(self) -> tuple[str, ...]:
        return self.terms


@dataclass(frozen=True)
class Cayley:
    """out = (1 - s M)^-1 (1 + s M), the exact rotation by 2 arctan of each eigenvalue of s M."""

    out: str
    matrix: str
    scale: str

    @property
    def defines(self) -> tuple[tuple[str, Kind], ...]:
        return ((self.out, Kind.MATRIX),)

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.matrix, self.scale)


@dataclass(frozen=True)
class CayleyAdjoint:
    """With R = Cayley(s M): dR = (1 - sM)^-1 d(sM) (1 + R), so A_bar = (1 - sM)^-T R_bar (1 + R)^T,
    out_matrix = s A_bar and out_scale = sum(A_bar * M)."""

    out_matrix: str
    out_scale: str
    matrix: str
    scale: str
    rotation: str
    cotangent: str

    @property
    def defines(self) -> tuple[tuple[str, Kind], ...]:
        return ((self.out_matrix, Kind.MATRIX), (self.out_scale, Kind.SCALAR))

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.matrix, self.scale, self.rotation, self.cotangent)


@dataclass(frozen=True)
class Solve:
    """A out = rhs in every channel by itself; ``operator`` is (A out)[n] in leaves of ``out``.

    A is symmetric and positive definite, its coefficients numbers, parameters or inputs; with ``singular`` it is
    positive semi-definite with the constants as its kernel: the mean of ``rhs`` is dropped, that of ``out`` is zero.
    """

    out: str
    operator: sp.Expr
    rhs: str
    singular: bool

    @property
    def defines(self) -> tuple[tuple[str, Kind], ...]:
        return ((self.out, Kind.SITE),)

    @property
    def reads(self) -> tuple[str, ...]:
        return tuple(sorted({self.rhs, *self.coefficients}))

    @property
    def coefficients(self) -> tuple[str, ...]:
        """The arrays that A is made of."""
        return tuple(sorted(_arrays(self.operator) - {self.out}))

    def acting_on(self, array: str) -> sp.Expr:
        """(A array)[n]."""
        return self.operator.xreplace({x: x.renamed(array) for x in self.operator.atoms(Leaf) if x.array == self.out})


_Whole = Mix | Total | Outer | Cayley | CayleyAdjoint | Solve | EdgeMap | SiteSum | Root | RootAdjoint
Statement = Map | Local | Fold | Accumulate | _Whole


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


def renamed(statement: Statement, names: Mapping[str, str]) -> Statement:
    """The statement with arrays renamed, definitions and reads alike."""

    def new(name: str) -> str:
        return names.get(name, name)

    def expression(e: sp.Expr) -> sp.Expr:
        swap: dict[sp.Basic, sp.Basic] = {}
        for atom in e.free_symbols:
            if isinstance(atom, Leaf):
                if atom.array in names:
                    swap[atom] = atom.renamed(new(atom.array))
            elif not isinstance(atom, Inside) and atom.name in names:
                swap[atom] = sp.Symbol(new(atom.name), real=True, positive=atom.is_positive)
        return e.xreplace(swap)

    if isinstance(statement, Map):
        return Map(
            tuple((new(n), expression(e)) for n, e in statement.stores),
            tuple((new(n), k, expression(e)) for n, k, e in statement.sums),
            tuple((s, expression(e)) for s, e in statement.lets),
            statement.over,
        )
    if isinstance(statement, Local):
        return Local(new(statement.out), statement.kind, expression(statement.expr))
    if isinstance(statement, Solve):
        return Solve(new(statement.out), expression(statement.operator), new(statement.rhs), statement.singular)
    values: dict[str, Any] = {k: new(v) if isinstance(v, str) else tuple(map(new, v)) if isinstance(v, tuple) else v
                              for k, v in vars(statement).items()}  # fmt: skip
    return type(statement)(**values)
