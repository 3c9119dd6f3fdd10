"""The energy of a token of a matrix memory, T^00: its Hamiltonian, of the state that the token finds.

    T^00 = sum_v f((w.S)_v) + sum_k weight_k |S_k|^2 + what holds inputs alone

with the terms of f as they were written: of a surprise beta (k.S - v)^2/2 no digits are lost where it is small.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.errors import SpecError
from metrigen.physics.derivation import Derivation
from metrigen.spec.contract import axes_of, contract, spelled
from metrigen.spec.domain import Index

FOUND = sp.Symbol("found__", real=True)  # w.S, in what is emitted


@dataclass(frozen=True)
class Energy:
    """What is read of the state before a token, and its energy in that.

    probe   w of every field; empty where the energy holds no contraction
    weight  of the squares of every field; empty where it holds none
    terms   axis -> terms that are summed over it, in ``FOUND`` and inputs; of no axis None
    """

    probe: tuple[sp.Expr, ...]
    weight: tuple[sp.Expr, ...]
    terms: Mapping[Index | None, sp.Expr]

    @property
    def there(self) -> bool:
        """Whether an energy is read at all: every energy holds the state."""
        return bool(self.probe or self.weight)

    @property
    def expressions(self) -> tuple[sp.Expr, ...]:
        return (*self.probe, *self.weight, *self.terms.values())


NOTHING = Energy((), (), {})


def energy_of(derivation: Derivation) -> Energy:
    """The energy of a derived memory. Raises SpecError where it is read along more than one vector, or is summed over
    both axes without the state."""
    fields = derivation.fields
    squares: list[sp.Expr] = []
    others: list[sp.Expr] = []
    for term in _terms(derivation.hamiltonian, fields):
        (squares if _bare(term, fields) else others).append(term)
    weight = [sp.Add(*(_coefficient(term, u) for term in squares if term.has(u))) for u in fields]
    probe, found = _probe(fields, others)
    summed: dict[Index | None, list[sp.Expr]] = {}
    for term in others:
        axes = axes_of(term)
        if len(axes) > 1:
            raise _refused(f"{spelled(term)} has no state, and is summed over both axes", "leave it out of the energy")
        summed.setdefault(next(iter(axes), None), []).append(term.xreplace(found))
    return Energy(
        probe=probe,
        weight=tuple(weight) if any(w != 0 for w in weight) else (),
        terms={axis: sp.Add(*terms) for axis, terms in summed.items()},
    )


def _terms(density: sp.Expr, fields: Sequence[AppliedUndef]) -> Iterator[sp.Expr]:
    """Terms as they were written; only what holds squares of the state is multiplied out."""
    for term in sp.Add.make_args(density):
        yield from sp.Add.make_args(sp.expand(term)) if _bare(term, fields) else (term,)


def _bare(expr: sp.Expr, fields: Sequence[AppliedUndef]) -> bool:
    """Whether a field stands outside of ``contract``."""
    return bool(expr.xreplace(dict.fromkeys(expr.atoms(contract), sp.S.One)).has(*fields))


def _coefficient(term: sp.Expr, u: AppliedUndef) -> sp.Expr:
    found = sp.cancel(term / u**2)
    if found.has(u, contract):
        raise _refused(f"{spelled(term)} is no square of the state by inputs", "lam*S**2/2")
    return found


def _probe(
    fields: Sequence[AppliedUndef], terms: Sequence[sp.Expr]
) -> tuple[tuple[sp.Expr, ...], dict[sp.Expr, sp.Expr]]:
    """w of every field, zero where none is contracted; and every contraction in what is found, for the terms.

    Of a pair the terms hold the sum of two contractions, as its token was read: they are those with the second at zero.
    """
    along: dict[AppliedUndef, sp.Expr] = {}
    found: dict[sp.Expr, sp.Expr] = {}
    atoms = sorted({c for term in terms for c in term.atoms(contract) if c.has(*fields)}, key=sp.default_sort_key)
    for c in atoms:
        weight, of = c.args
        u = next(u for u in fields if of.has(u))
        whole = weight * sp.cancel(of / u)
        ratio = sp.cancel(whole / along.setdefault(u, whole))
        if axes_of(ratio):
            raise _refused(
                f"it holds {' and '.join(map(spelled, atoms))}", "one vector along the keys: contract(k + l, S)"
            )
        found[c] = ratio * FOUND if u == next(iter(along)) else sp.S.Zero
    return tuple(along.get(u, sp.S.Zero) for u in fields) if along else (), found


def _refused(why: str, fix: str) -> SpecError:
    return SpecError(
        "energy_density() of this memory has no emitted form", part="readout", why=why, fix=fix, see="memory"
    )
