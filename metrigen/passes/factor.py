"""Factor sums of products: what several terms share is multiplied once.

    c x y + c x z + d x    ->    x (c (y + z) + d)

The factor that most terms share goes first, parameters before values at the site and those before numbers, and so on in
what it leaves behind and in what comes of it: x1 y1 + x1 y2 + x2 y1 + x2 y2 becomes (x1 + x2) (y1 + y2). A number in
front of a sum makes the sum a value with a name, as SymPy would multiply it out.

No digit is lost and no range: b + c is rounded once where a b + a c is rounded three times, and what stands in the
brackets is of lower degree than the terms were. Quotients stay whole, as u^2/r^2 may be of size 1 where 1/r^2 has no
value: terms are factored if they have one denominator, which divides their sum. Invariant: the value of every store and
sum, to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import sympy as sp

from metrigen.ir.nodes import Map, Program
from metrigen.passes.contents import primitive
from metrigen.passes.products import Powers, Product, fresh, joined, of_site, rewritten, split


def factor_sums(program: Program) -> Program:
    return replace(program, body=tuple(_factored(s) if isinstance(s, Map) else s for s in program.body))


def _factored(statement: Map) -> Map:
    rule = _Factoring(statement)
    return rewritten(statement, rule.of, rule.made)


@dataclass
class _Factoring:
    """The rule of one statement; ``made`` are the sums that it has named."""

    statement: Map
    made: dict[sp.Expr, sp.Symbol] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.names, self.own = fresh(self.statement), self.statement.own

    def of(self, expr: sp.Expr) -> sp.Expr:
        if not expr.is_Add:
            return expr
        terms = [split(term) for term in expr.args]
        return expr if self._commonest(terms) is None else self._sum(self._over_denominators(terms))

    def _over_denominators(self, terms: Sequence[Product]) -> list[Product]:
        """Terms of one denominator as one sum divided by it."""
        groups: dict[sp.Expr, list[Product]] = {}
        for number, powers in terms:
            under = {b: n for b, n in powers.items() if _divides(b, n)}
            over = {b: n for b, n in powers.items() if b not in under}
            groups.setdefault(joined(sp.S.One, under) if under else sp.S.One, []).append((number, over))
        found: list[Product] = []
        for under, group in groups.items():
            parts = self._collected(group)
            if under == 1 or len(group) == 1:
                found += [_times(part, split(under)[1]) for part in parts]
            else:
                found.append(_times(self._as_product(parts), split(under)[1]))
        return found

    def _collected(self, terms: list[Product]) -> list[Product]:
        """The same sum without anything that two terms share."""
        while (common := self._commonest(terms)) is not None:
            group = [k for k, term in enumerate(terms) if _holds(term, common)]
            power = 1 if common.is_number else min(terms[k][1].get(common, 1) for k in group)
            inner = self._as_product(self._collected([_divided(terms[k], common, power) for k in group]))
            factor: Product = (common, {}) if common.is_Number else (sp.S.One, {common: power})
            whole = _times((inner[0] * factor[0], inner[1]), factor[1])
            terms = [whole if k == group[0] else term for k, term in enumerate(terms) if k not in group[1:]]
            terms = [term for term in terms if term[0] != 0]  # what was taken out may show that the rest cancels
        return terms

    def _commonest(self, terms: Sequence[Product]) -> sp.Expr | None:
        counts: dict[sp.Expr, int] = {}
        for number, powers in terms:
            for base in (*powers, *((abs(number),) if abs(number) != 1 else ())):
                counts[base] = counts.get(base, 0) + 1
        shared = [base for base, count in counts.items() if count > 1]
        return max(shared, key=lambda base: (counts[base], self._rank(base)), default=None)

    def _rank(self, base: sp.Expr) -> int:
        return 0 if base.is_Number else 1 if of_site(base, self.own) else 2

    def _as_product(self, terms: list[Product]) -> Product:
        if len(terms) == 1:
            return terms[0]
        whole = self._sum(terms)
        if not whole.is_Add:
            return split(whole)
        number, rest = primitive(whole)
        return number, {rest: 1}

    def _sum(self, terms: Sequence[Product]) -> sp.Expr:
        return sp.Add(*(self._written(number, powers) for number, powers in terms))

    def _written(self, number: sp.Expr, powers: Powers) -> sp.Expr:
        """The product, its sum named where a number alone stands before it."""
        if abs(number) != 1 and len(powers) == 1:
            ((base, exponent),) = powers.items()
            if base.is_Add and exponent == 1:
                if base not in self.made:
                    self.made[base] = next(self.names)
                powers = {self.made[base]: 1}
        return joined(number, powers)


def _divides(base: sp.Expr, exponent: int) -> bool:
    return exponent < 0 or bool(base.is_Pow and base.exp.is_negative)


def _holds(term: Product, common: sp.Expr) -> bool:
    return abs(term[0]) == common if common.is_Number else common in term[1]


def _divided(term: Product, by: sp.Expr, power: int) -> Product:
    number, powers = term
    if by.is_Number:
        return sp.sign(number), powers
    return number, {b: n - power * (b == by) for b, n in powers.items() if b != by or n > power}


def _times(term: Product, powers: Powers) -> Product:
    found = dict(term[1])
    for base, exponent in powers.items():
        found[base] = found.get(base, 0) + exponent
    return term[0], found
