"""Sum up coefficients before the loop over sites: a polynomial in the values at the sites, its coefficients named.

    d (pi - dt/2 (m2 phi + c2 (2 phi - left - right)))  ->  d pi - k0 phi - k1 (2 phi - left - right)

k0 and k1 depend on parameters alone, so a fusion group that goes channel by channel computes them once a channel.
Terms with one coefficient share a product, the others are nested as by Horner. Differences stay whole: they vanish
exactly where a field is constant, which sums of rounded coefficients would not. A statement is left as it is where
this would not save operations at a site, or where it is no polynomial. Invariant: the value of every store and sum, to
rounding.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

import sympy as sp

from metrigen.ir.nodes import Inside, Kind, Load, Map
from metrigen.passes.cse import ordered
from metrigen.passes.partition import FusionGroup, Partition
from metrigen.passes.prune import prune_lets

Values = dict[sp.Symbol, sp.Expr]
Terms = dict[sp.Expr, sp.Expr]  # product of values -> its coefficient

TERMS, HIGHEST = 40, 6  # of a polynomial that is tried: how many, and what power of a value


def collect_coefficients(partition: Partition, kinds: Mapping[str, Kind]) -> Partition:
    """The cut with the coefficients of its fusion groups without channel maps collected."""
    parts = tuple(
        replace(part, statements=(_collect(part.statements[0], kinds),))
        if isinstance(part, FusionGroup) and not part.staged and isinstance(part.statements[0], Map)
        else part
        for part in partition.parts
    )
    return replace(partition, parts=parts)


def _collect(statement: Map, kinds: Mapping[str, Kind]) -> Map:
    stored = [sp.Symbol(name, real=True) for name, _ in statement.stores]
    fixed = _fixed(statement.lets, kinds)
    expansion = _Expansion(statement, stored, fixed)
    collected: Values = {}
    coefficients: Values = {}
    for symbol, (_, value) in zip(stored, statement.stores, strict=True):
        terms = expansion.terms(value if value != symbol else expansion.lets[symbol])
        if terms is None:
            return statement
        collected[symbol] = expansion.restored(_nested(terms, coefficients))
    rest = [(s, e) for s, e in statement.lets if s not in collected]
    made = prune_lets(
        replace(
            statement,
            lets=ordered((*rest, *coefficients.items(), *collected.items())),
            stores=tuple((s.name, s) for s in stored),
        )
    )
    return made if _operations(made, kinds) < _operations(statement, kinds) else statement


def _fixed(lets: Sequence[tuple[sp.Symbol, sp.Expr]], kinds: Mapping[str, Kind]) -> set[sp.Symbol]:
    """The named values that depend on parameters alone."""
    fixed: set[sp.Symbol] = set()
    for symbol, expr in lets:
        free = {s for s in expr.free_symbols if isinstance(s, (Load, Inside)) or s.name not in kinds}
        if free <= fixed:
            fixed.add(symbol)
    return fixed


class _Expansion:
    """Expressions of a statement as polynomials in what it reads and what it stores, each named value once."""

    def __init__(self, statement: Map, stored: Sequence[sp.Symbol], fixed: set[sp.Symbol]) -> None:
        self.lets = dict(statement.lets)
        self.stored, self.fixed = set(stored), fixed
        self.differences: Values = {}
        self.known: dict[sp.Expr, Terms | None] = {}

    def terms(self, expr: sp.Expr) -> Terms | None:
        """None where the expression is no polynomial, or too long a one."""
        if expr not in self.known:
            self.known[expr] = self._expand(expr)
        return self.known[expr]

    def restored(self, expr: sp.Expr) -> sp.Expr:
        """The expression with its differences."""
        return expr.xreplace(self.differences)

    def _expand(self, expr: sp.Expr) -> Terms | None:
        if self._is_value(expr):
            return {expr: sp.S.One}
        if self._is_named(expr):
            return self.terms(self.lets[expr])
        if not any(self._is_value(s) or self._is_named(s) for s in expr.free_symbols):
            return {sp.S.One: expr}
        if expr.is_Add:
            return self._difference(expr) or _sum([self.terms(e) for e in expr.args])
        if expr.is_Mul:
            return _product([self.terms(e) for e in expr.args])
        if expr.is_Pow and expr.exp.is_Integer and 0 < expr.exp <= HIGHEST:
            return _product([self.terms(expr.base)] * int(expr.exp))
        return None

    def _difference(self, expr: sp.Add) -> Terms | None:
        """A sum of values times numbers that add up to zero, as one value."""
        parts = [term.as_coeff_Mul() for term in expr.args]
        if sum(number for number, _ in parts) != 0 or not all(self._is_value(value) for _, value in parts):
            return None
        symbol = sp.Symbol(f"difference__{len(self.differences)}", real=True)
        self.differences[symbol] = expr
        return {symbol: sp.S.One}

    def _is_value(self, expr: sp.Expr) -> bool:
        return isinstance(expr, (Load, Inside)) or expr in self.stored

    def _is_named(self, expr: sp.Expr) -> bool:
        """Whether it is the name of a value that depends on the site."""
        return expr in self.lets and expr not in self.fixed


def _sum(parts: Sequence[Terms | None]) -> Terms | None:
    found: Terms = {}
    for part in parts:
        if part is None:
            return None
        for monomial, factor in part.items():
            found[monomial] = found.get(monomial, sp.S.Zero) + factor
    return found if len(found) <= TERMS else None


def _product(parts: Sequence[Terms | None]) -> Terms | None:
    found: Terms = {sp.S.One: sp.S.One}
    for part in parts:
        if part is None or len(found) * len(part) > TERMS:
            return None
        pairs = itertools.product(found.items(), part.items())
        found = {}
        for (monomial, factor), (other, by) in pairs:
            found[monomial * other] = found.get(monomial * other, sp.S.Zero) + factor * by
    return found


def _nested(terms: Terms, coefficients: Values) -> sp.Expr:
    """The polynomial with its coefficients named, which are added to ``coefficients``."""
    groups: dict[sp.Expr, list[sp.Expr]] = {}
    for monomial, factor in terms.items():
        sign = -1 if -factor in groups else 1
        groups.setdefault(sign * factor, []).append(sign * monomial)
    shared: list[sp.Expr] = []
    single: list[sp.Expr] = []
    for factor, monomials in groups.items():
        product = _named(factor, coefficients) * sp.Add(*monomials)
        (shared if len(monomials) > 1 else single).append(product)
    values = sorted({s for monomial in terms for s in monomial.free_symbols}, key=str)
    rest = sp.Add(*single)
    return sp.Add(*shared, sp.horner(rest, wrt=values) if rest.free_symbols & set(values) else rest)


def _named(factor: sp.Expr, coefficients: Values) -> sp.Expr:
    """The name of a coefficient; numbers and parameters stand for themselves."""
    if factor.is_number or factor.is_Symbol:
        return factor
    known = {value: symbol for symbol, value in coefficients.items()}
    value = sp.factor_terms(factor)
    if -value in known:
        return -known[-value]
    if value not in known:
        known[value] = sp.Symbol(f"k__{len(coefficients)}", real=True)
        coefficients[known[value]] = value
    return known[value]


def _operations(statement: Map, kinds: Mapping[str, Kind]) -> int:
    """Operations at a site: those of values that depend on the site."""
    fixed = _fixed(statement.lets, kinds)
    expressions = [e for s, e in statement.lets if s not in fixed]
    expressions += [e for _, e in statement.stores] + [e for _, _, e in statement.sums]
    return int(sum(sp.count_ops(e) for e in expressions))
