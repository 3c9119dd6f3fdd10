"""What a statement is: a frozen dataclass each of whose fields declares what it is to the program.

    class ChannelMatmul(Statement):
        out: Annotated[str, defines(Kind.SITE)]
        matrix: Annotated[str, reads(Kind.MATRIX)]
        src: Annotated[str, reads(Kind.SITE)]
        transpose: Annotated[bool, DATA] = False

A field that reads or defines is a name, a tuple of names, an expression, or rows of names, kinds and expressions; what
an expression reads are its symbols. ``reads``, ``defines``, ``expressions`` and ``renamed`` follow from that, and with
them closure, pruning, fusion and the order of everything. To add a statement:

1. Declare the class, in ``ir.nodes`` or a file of its own; the docstring states the formula, in indices.
2. Add it to ``WHOLE`` in ``ir.nodes``: from now on it is known, and ``tests/ir`` asks for the rest.
3. Say its value in ``ir.interpreter``, the oracle of all that follows.
4. Reverse it in ``passes.vary`` by its transpose; one that vary alone writes needs none.
5. Print it: ``backends.torch`` first, then ``cpu`` and ``triton``, or refuse it there by name.
6. Say what it costs in ``package.cost``, and in ``passes.partition`` whether a fusion group over the sites can hold it.

Whoever meets a kind of statement that it does not know raises ``unknown(statement, where)``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from enum import Enum
from functools import cache, cached_property
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import sympy as sp

from metrigen.errors import InternalError
from metrigen.ir.kinds import Kind
from metrigen.ir.loads import Inside, Load, arrays_of

Defined = tuple[tuple[str, Kind], ...]


class Use(Enum):
    """What a field is to the program."""

    READ = "read"
    DEFINED = "defined"
    OWN = "values of the statement's own, as (symbol, expression): nobody else sees the symbols"
    DATA = "neither a name nor an expression"


@dataclass(frozen=True)
class Role:
    """``kinds`` that names may have (none: any); ``attribute`` holds the kind of what is defined, or the array that an
    expression is an equation in."""

    use: Use
    kinds: tuple[Kind, ...] = ()
    attribute: str = ""


def reads(*kinds: Kind, unknown: str = "") -> Role:
    """The field is read; ``unknown`` is the field with the array that an equation is solved for, which it defines."""
    return Role(Use.READ, kinds, unknown)


def defines(kind: Kind | str = "") -> Role:
    """The field is defined, as an array of this kind, or of the one that this attribute holds; rows name their own."""
    return Role(Use.DEFINED, attribute=kind) if isinstance(kind, str) else Role(Use.DEFINED, (kind,))


OWN, DATA = Role(Use.OWN), Role(Use.DATA)


@cache
def roles_of(kind: Any) -> Mapping[str, Role]:
    """The role of every field of a class. Raises InternalError where one declares none."""
    hints = get_type_hints(kind, include_extras=True)
    found: dict[str, Role] = {}
    for field in fields(kind):
        marks = get_args(hints[field.name])[1:] if get_origin(hints[field.name]) is Annotated else ()
        role = next((mark for mark in marks if isinstance(mark, Role)), None)
        if role is None:
            raise InternalError(f"the field {field.name!r} of the statement {kind.__name__} declares no role")
        found[field.name] = role
    return found


@dataclass(frozen=True)
class Statement:
    """The base of all statements."""

    @property
    def roles(self) -> Mapping[str, Role]:
        """The role of every field, in order."""
        kind: Any = type(self)
        return roles_of(kind)

    @cached_property
    def defines(self) -> Defined:
        """(name, kind) of every array that it defines."""
        return tuple(pair for field, role in self._of(Use.DEFINED) for pair in self._defined(field, role))

    @cached_property
    def expressions(self) -> tuple[sp.Expr, ...]:
        """What it works out, the values of its own first, as the others use them."""
        order = sorted(self.roles, key=lambda field: self.roles[field].use is not Use.OWN)
        return tuple(e for field in order for e in _expressions(self._without_symbols(field)))

    @cached_property
    def reads(self) -> tuple[str, ...]:
        """Names of the arrays and parameters that it reads, each once, sorted."""
        found: set[str] = set()
        own = self.own
        for field, role in self.roles.items():
            if role.use is Use.READ:
                found.update(_names(getattr(self, field)))
            solved = {getattr(self, role.attribute)} if role.use is Use.READ and role.attribute else set()
            for e in _expressions(self._without_symbols(field)):
                found |= arrays_of(e, own) - solved
        return tuple(sorted(found))

    @cached_property
    def own(self) -> frozenset[sp.Symbol]:
        """The symbols of the values of its own."""
        return frozenset(symbol for field, _ in self._of(Use.OWN) for symbol, _ in getattr(self, field))

    @cached_property
    def symbols(self) -> frozenset[sp.Symbol]:
        """What its expressions are made of, those of its own among them."""
        return frozenset[sp.Symbol]().union(*(e.free_symbols for e in self.expressions))

    def with_expressions(self: _S, new: Callable[[sp.Expr], sp.Expr]) -> _S:
        """The statement with ``new`` in the place of each of its expressions."""
        return self._with(lambda name: name, new, tuple(Use))

    def with_reads(self: _S, new: Callable[[str], str]) -> _S:
        """The statement reading other arrays where it reads whole ones, by name; expressions stay."""
        return self._with(new, lambda e: e, (Use.READ,))

    def renamed(self: _S, names: Mapping[str, str]) -> _S:
        """The statement with arrays renamed, definitions and reads alike."""
        own = self.own
        return self._with(lambda name: names.get(name, name), lambda e: _renamed(e, names, own), tuple(Use))

    def _with(self: _S, name: Callable[[str], str], new: Callable[[sp.Expr], sp.Expr], uses: tuple[Use, ...]) -> _S:
        changed: dict[str, Any] = {}
        for field, role in self.roles.items():
            value = getattr(self, field)
            if role.use is Use.OWN:
                changed[field] = tuple((symbol, new(e)) for symbol, e in value)
            elif role.use is not Use.DATA and role.use in uses:
                changed[field] = _mapped(value, name, new)
        return replace(self, **changed)

    def _of(self, use: Use) -> Iterator[tuple[str, Role]]:
        return ((field, role) for field, role in self.roles.items() if role.use is use)

    def _defined(self, field: str, role: Role) -> Iterator[tuple[str, Kind]]:
        kind: Any = getattr(self, role.attribute) if role.attribute else next(iter(role.kinds), None)
        value = getattr(self, field)
        for part in (value,) if isinstance(value, str) else value:
            name, *rest = (part,) if isinstance(part, str) else part
            yield name, next((own for own in rest if isinstance(own, Kind)), kind)

    def _without_symbols(self, field: str) -> Any:
        value = getattr(self, field)
        return tuple(e for _, e in value) if self.roles[field].use is Use.OWN else value


_S = TypeVar("_S", bound=Statement)


def unknown(statement: object, where: str) -> InternalError:
    """What is raised by one who meets a kind of statement that it has no rule for."""
    return InternalError(f"{where} has no rule for the statement {type(statement).__name__}: {statement}")


def _mapped(value: Any, name: Callable[[str], str], new: Callable[[sp.Expr], sp.Expr]) -> Any:
    """The value of a field with its names and expressions replaced."""
    if isinstance(value, str):
        return name(value)
    if isinstance(value, tuple):
        return tuple(_mapped(part, name, new) for part in value)
    return new(value) if isinstance(value, sp.Basic) else value


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for part in value:
            yield from _names(part)


def _expressions(value: Any) -> Iterator[sp.Expr]:
    if isinstance(value, sp.Basic):
        yield value
    elif isinstance(value, tuple):
        for part in value:
            yield from _expressions(part)


def _renamed(expr: sp.Expr, names: Mapping[str, str], own: frozenset[sp.Symbol]) -> sp.Expr:
    swap: dict[sp.Basic, sp.Basic] = {}
    for atom in expr.free_symbols - own:
        if isinstance(atom, Load):
            if atom.array in names:
                swap[atom] = atom.renamed(names[atom.array])
        elif not isinstance(atom, Inside) and atom.name in names:
            swap[atom] = sp.Symbol(names[atom.name], real=True, positive=atom.is_positive)
    return expr.xreplace(swap)
