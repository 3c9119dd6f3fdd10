"""What an expression at one site is made of: arrays read at an offset, and whether a place lies on the lattice.

    Load      an array access x[n + s], zero outside the lattice (periodic: wrapped)
    Inside    1 where n + s lies on the lattice, else 0; Outside the other way round

Seen from another site all of them move together (``shift``).
"""

from __future__ import annotations

import re
from collections.abc import Set
from functools import cache
from typing import Any, ClassVar

import sympy as sp

Offset = tuple[int, ...]


def offset_text(offset: Offset) -> str:
    return "_".join(f"p{o}" if o > 0 else f"m{-o}" if o < 0 else "0" for o in offset)


class Load(sp.Symbol):
    """An array access: the stored site array read at an offset, ``array[n + offset]``."""

    __slots__ = ("array", "offset")
    array: str
    offset: Offset

    def __new__(cls, array: str, offset: Offset, positive: bool = False) -> Load:
        return _load(array, offset, positive)

    def _hashable_content(self) -> tuple[Any, ...]:
        # The origin of two ranks has one name, and SymPy's caches hand out whatever compares equal.
        return (*super()._hashable_content(), self.offset)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return Load, (self.array, self.offset, bool(self.is_positive))

    def shifted(self, by: Offset) -> Load:
        return Load(self.array, _add(self.offset, by), bool(self.is_positive))

    def renamed(self, array: str) -> Load:
        return Load(array, self.offset, bool(self.is_positive))


class Inside(sp.Symbol):
    """The indicator of the lattice at an offset: 1 where n + offset is a site, else 0."""

    __slots__ = ("offset",)
    NAME: ClassVar[str] = "inside"  # no spec has an array of that name
    offset: Offset

    def __new__(cls, offset: Offset) -> Inside:
        return _indicator(issubclass(cls, Outside), offset)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return type(self), (self.offset,)

    def shifted(self, by: Offset) -> Inside:
        return type(self)(_add(self.offset, by))


class Outside(Inside):
    """1 - Inside, as a symbol of its own so that its sign is known."""

    NAME = "outside__of"  # not what an array "outside" is at an offset


# One object for equal symbols: SymPy compares part by part what is equal and not the same.
@cache
def _load(array: str, offset: Offset, positive: bool) -> Load:
    signs = {"positive": True} if positive else {}
    name = f"{array}__{offset_text(offset)}" if any(offset) else array
    made: Load = sp.Symbol.__xnew__(Load, name, real=True, **signs)
    made.array, made.offset = array, offset
    return made


@cache
def _indicator(outside: bool, offset: Offset) -> Inside:
    kind = Outside if outside else Inside
    made: Inside = sp.Symbol.__xnew__(kind, f"{kind.NAME}__{offset_text(offset)}", real=True, nonnegative=True)
    made.offset = offset
    return made


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


def loads(expr: sp.Expr) -> list[Load]:
    """The leaves of an expression in a fixed order: by array, then offset."""
    return sorted(expr.atoms(Load), key=lambda load: (load.array, load.offset))


def shift(expr: sp.Expr, by: Offset) -> sp.Expr:
    """The expression at site n + by: every read moves, coefficients included."""
    if not any(by):
        return expr
    return expr.xreplace({atom: atom.shifted(by) for atom in expr.atoms(Load, Inside)})


def arrays_of(expr: sp.Expr, own: Set[sp.Symbol] = frozenset()) -> set[str]:
    """Names of the arrays and parameters of an expression; ``own`` symbols are neither."""
    atoms = (atom for atom in expr.free_symbols - own if not isinstance(atom, Inside))
    return {atom.array if isinstance(atom, Load) else atom.name for atom in atoms}
