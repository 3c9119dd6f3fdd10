"""Densities on a regular lattice with cell-centred sites.

A density is a sum of coefficients times functions of derivatives, c(z) f(D z) (``terms``), and each term lives where
its derivatives do:

    no derivative, and what is left of f where all derivatives vanish    at the site n
    first derivatives along one axis only     on the edge (n, n + e): forward difference, the coefficient averaged
    anything else                             at the site: one-sided differences of each axis, averaged over the sides;
                                              central differences of higher order

A field is zero outside the lattice; an input or parameter of sites is there what it is at the nearest site inside, and
so is the whole coefficient of an edge that crosses a wall. A zero-flux wall is the edge weight inside[n] inside[n + e]
in the density. With "zero" every edge and site counts that a difference reaches, so that the mirror image of a solution
is a solution; the energy of those outside belongs to the nearest site inside.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import sympy as sp

from metrigen.discretise.harmonic import split
from metrigen.discretise.jets import Jet
from metrigen.discretise.terms import Term, derivatives, terms
from metrigen.ir.nodes import Inside, Load, Offset, Outside, at_site, negate, shift
from metrigen.spec.domain import Lattice
from metrigen.spec.means import harmonicmean


@dataclass(frozen=True)
class Stencils:
    """Difference operators and averages of one lattice, and what it has to know of arrays, by name.

    covectors     never averaged harmonically: a bracket is linear in them
    coefficients  arrays that are given: they go on beyond a wall, where fields are zero
    nonnegative   arrays that are declared so: what harmonic means are made of
    part          what of the system is discretised
    """

    domain: Lattice
    covectors: frozenset[str] = frozenset()
    coefficients: frozenset[str] = frozenset()
    nonnegative: frozenset[str] = frozenset()
    part: str = "hamiltonian"

    @property
    def rank(self) -> int:
        return len(self.domain.axes)

    @property
    def origin(self) -> Offset:
        return (0,) * self.rank

    def unit(self, axis: int) -> Offset:
        return tuple(int(i == axis) for i in range(self.rank))

    def load(self, jet: Jet) -> Load:
        return Load(jet.array, self.origin, bool(jet.is_positive))

    def forward(self, f: sp.Expr, axis: int) -> sp.Expr:
        """D+ f = (f[n + e] - f[n]) / h, zero across a zero-flux wall."""
        e = self.unit(axis)
        difference = (shift(f, e) - f) / self.domain.spacing
        return difference * Inside(self.origin) * Inside(e) if self.domain.boundary == "neumann" else difference

    def backward(self, f: sp.Expr, axis: int) -> sp.Expr:
        """D- f = D+ f at n - e."""
        return shift(self.forward(f, axis), negate(self.unit(axis)))

    def central(self, f: sp.Expr, orders: Offset) -> sp.Expr:
        """Central difference of any order: (D+ D-)^k, times (D+ + D-)/2 for an odd one."""
        for axis, order in enumerate(orders):
            for _ in range(order // 2):
                f = (self.forward(f, axis) - self.backward(f, axis)) / self.domain.spacing
            if order % 2:
                f = (self.forward(f, axis) + self.backward(f, axis)) / 2
        return f

    def edge_mean(self, g: sp.Expr, axis: int) -> sp.Expr:
        """Coefficient of the edge (n, n + e) from its two sites; at a wall that of the site inside."""
        if self.domain.average != "harmonic" or not g.has(Load):
            return self.edge_average(g, axis)
        fixed, local = g.as_independent(Load, as_Add=False)
        mean, rest = split(local, self.nonnegative, self.part)
        return fixed * (harmonicmean(*self._ends(mean, axis)) if mean != 1 else 1) * self.edge_average(rest, axis)

    def edge_average(self, g: sp.Expr, axis: int) -> sp.Expr:
        """``edge_mean``, arithmetic on every lattice."""
        if not g.has(Load):
            return g
        fixed, local = g.as_independent(Load, as_Add=False)
        return fixed * sp.Add(*self._ends(local, axis)) / 2

    def _ends(self, g: sp.Expr, axis: int) -> tuple[sp.Expr, sp.Expr]:
        """g at the two sites of the edge (n, n + e)."""
        o, e = self.origin, self.unit(axis)
        return self._kept_inside(g, o, e), self._kept_inside(g, e, o)

    def _kept_inside(self, g: sp.Expr, at: Offset, other: Offset) -> sp.Expr:
        """g at n + ``at``; where that site is outside, g at n + ``other``, which then is inside.

        The values are chosen, not the results: 1/z has no value where z reads as zero.
        """
        if self._has_values_outside(g):
            return shift(g, at)
        return g.xreplace({x: Inside(at) * x.shifted(at) + Outside(at) * x.shifted(other) for x in g.atoms(Load)})

    def _has_values_outside(self, g: sp.Expr) -> bool:
        """Whether g may be read outside: there is no outside, or a wall multiplies what it gives there by zero."""
        boundary = self.domain.boundary
        return boundary == "periodic" or (boundary == "neumann" and bool(g.is_polynomial(*g.atoms(Load))))

    def nearest(self, g: sp.Expr, reach: Offset) -> sp.Expr:
        """g with what is given at n, or where n is outside, at the nearest site inside, if it is within ``reach`` along
        each axis."""
        if self._has_values_outside(g):
            return g
        swap: dict[sp.Basic, sp.Expr] = {}
        for x in sorted((x for x in g.atoms(Load) if x.array in self.coefficients), key=lambda x: x.name):
            places = [(s, self.beyond(s, negate(s))) for s in product(*(range(-r, r + 1) for r in reach))]
            swap[x] = sp.Add(*(Inside(negate(s)) * weight * x.shifted(negate(s)) for s, weight in places))
        return g.xreplace(swap)

    def beyond(self, s: Offset, at: Offset) -> sp.Expr:
        """1 where m + s is a site outside whose nearest site inside is m = n + ``at``, known to be inside."""
        steps = (tuple((k > 0) - (k < 0) if i == axis else 0 for i, k in enumerate(s)) for axis in range(self.rank))
        return sp.Mul(*(Outside(tuple(a + b for a, b in zip(at, step, strict=True))) for step in steps if any(step)))


def edge_terms(expr: sp.Expr, stencils: Stencils) -> tuple[sp.Expr, tuple[Term, ...], dict[int, sp.Expr]]:
    """Split a density in jets into its values at the site, its terms with derivatives at the site and, per axis, its
    part on the forward edge."""
    plain: list[sp.Expr] = []
    site: list[Term] = []
    edges: dict[int, list[sp.Expr]] = {}
    apart = stencils.covectors if stencils.domain.average == "harmonic" else frozenset()
    for term in terms(expr, apart):
        if not term.derivatives:
            plain.append(term.whole)
            continue
        if term.at_rest is not None:
            # What is left without derivatives counts once a site, however many edges a wall leaves to it.
            plain.append(term.coefficient * term.at_rest)
        axes = frozenset().union(*(j.axes() for j in term.derivatives))
        if len(axes) == 1 and all(j.order == 1 for j in term.derivatives):
            (axis,) = axes
            edges.setdefault(axis, []).append(_edge(term, axis, stencils))
        else:
            site.append(term)
    values = _at_site(sp.Add(*plain), stencils)
    return values, tuple(site), {axis: sp.Add(*parts) for axis, parts in sorted(edges.items())}


def functional_density(expr: sp.Expr, stencils: Stencils) -> sp.Expr:
    """The density to be summed over Z^d and varied: every edge once, at its lower site."""
    values, site, edges = edge_terms(expr, stencils)
    walls = stencils.domain.boundary != "periodic"
    parts = [_site(term, stencils, stencils.origin, _reach(term, stencils) if walls else None) for term in site]
    return sp.Add(values, *parts, *edges.values())


def site_density(expr: sp.Expr, stencils: Stencils) -> sp.Expr:
    """The density at each site, half of every edge to each of its two ends, a wall edge and the terms of sites outside
    whole to the nearest site inside; its sum over the lattice is that of ``functional_density``."""
    values, site, edges = edge_terms(expr, stencils)
    parts = [values, *(_site(term, stencils, stencils.origin) for term in site)]
    wall = stencils.domain.boundary == "zero"
    for axis, edge in edges.items():
        for end, e in ((edge, stencils.unit(axis)), (_before(edge, axis, stencils), negate(stencils.unit(axis)))):
            parts.append(end * ((Inside(e) / 2 + Outside(e)) if wall else sp.Rational(1, 2)))
    for term in site if wall else ():
        reach = _reach(term, stencils)
        for s in product(*(range(-r, r + 1) for r in reach)):
            if any(s):
                parts.append(stencils.beyond(s, stencils.origin) * _site(term, stencils, s))
    return at_site(sp.Add(*parts), stencils.origin)


def _before(edge: sp.Expr, axis: int, stencils: Stencils) -> sp.Expr:
    return shift(edge, negate(stencils.unit(axis)))


def _edge(term: Term, axis: int, stencils: Stencils) -> sp.Expr:
    """c(z) f(D z) -> mean(c) f(D+ z); where f holds z too, the mean is that of c f with the slope of the edge, or, with
    harmonic means, f is taken with the means of what stands in it."""
    simple = all(j.order for j in term.factor.atoms(Jet))
    if simple or stencils.domain.average == "harmonic":
        coefficient = stencils.edge_mean(_at_site(term.coefficient, stencils), axis)
        value = coefficient * _above_rest(term.factor if simple else _means(term.factor, axis, stencils), term)
    else:
        value = _above_rest(stencils.edge_average(_at_site(term.whole, stencils), axis), term)
    return value.xreplace({j: stencils.forward(_load(j, stencils), axis) for j in term.derivatives})


def _means(factor: sp.Expr, axis: int, stencils: Stencils) -> sp.Expr:
    """A factor with coefficients inside it as harmonic means, what adds to them and covectors as arithmetic ones."""
    if all(j.order for j in factor.atoms(Jet)):
        return factor
    if factor.is_Symbol or not derivatives(factor):
        return stencils.edge_average(_at_site(factor, stencils), axis)
    if not factor.is_Add:
        return factor.func(*(_means(a, axis, stencils) for a in factor.args))
    parts = []
    for term in terms(factor, stencils.covectors):
        mean = stencils.edge_mean if term.derivatives else stencils.edge_average
        parts.append(mean(_at_site(term.coefficient, stencils), axis) * _means(term.factor, axis, stencils))
    return sp.Add(*parts)


def _above_rest(value: sp.Expr, term: Term) -> sp.Expr:
    """The value less what it is without derivatives, which is counted at the sites."""
    return value - value.xreplace(dict.fromkeys(term.derivatives, sp.S.Zero)) if term.at_rest else value


def _reach(term: Term, stencils: Stencils) -> Offset:
    """How far along each axis a site outside may lie whose term reads a site inside."""
    return tuple(max((j.orders[i] + 1) // 2 for j in term.derivatives) for i in range(stencils.rank))


def _site(term: Term, stencils: Stencils, at: Offset, reach: Offset | None = None) -> sp.Expr:
    """c(z) f(D z) at n + ``at``, averaged over the sides of one-sided differences; with what is given at n, or with
    ``reach``, at the site nearest to n inside."""
    first = sorted(frozenset().union(*(j.axes() for j in term.derivatives if j.order == 1)))
    local = _above_rest(_at_site(term.whole, stencils), term)
    if reach is not None:
        local = stencils.nearest(local, reach)
    else:
        local = local.xreplace({x: x.shifted(at) for x in local.atoms(Load) if x.array not in stencils.coefficients})
    wall = Inside(stencils.origin) if stencils.domain.boundary == "neumann" else sp.S.One
    total = []
    for sides in product((stencils.forward, stencils.backward), repeat=len(first)):
        swap = {}
        for j in term.derivatives:
            if j.order == 1:
                (axis,) = j.axes()
                difference = sides[first.index(axis)](_load(j, stencils), axis)
            else:
                difference = stencils.central(_load(j, stencils), j.orders)
            swap[j] = shift(difference, at)
        total.append(local.xreplace(swap))
    return wall * sp.Add(*total) / len(total)


def _load(jet: Jet, stencils: Stencils) -> Load:
    return stencils.load(Jet(jet.array, stencils.origin))


def _at_site(expr: sp.Expr, stencils: Stencils) -> sp.Expr:
    return expr.xreplace({j: stencils.load(j) for j in expr.atoms(Jet) if not j.order})
