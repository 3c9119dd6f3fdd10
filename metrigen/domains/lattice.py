"""Densities on a regular lattice with cell-centred sites.

A density is summed over the whole of Z^d with values outside the lattice reading as zero. Its terms live where their
derivatives do:

    no derivative, or derivatives of higher order    at the site n, central differences
    first derivatives along one axis only            on the edge (n, n + e): forward difference, coefficient averaged
    anything else                                    at the site, averaged over the one-sided differences of each axis

A zero-flux wall is the edge weight inside[n] inside[n + e] in the density. With "zero" both wall edges count, and
their coefficient is that of the site inside, so that the mirror image of a solution is a solution.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import sympy as sp

from metrigen.domains.jets import Jet
from metrigen.ir.nodes import Inside, Leaf, Offset, Outside, at_site, negate, shift
from metrigen.spec.domain import Lattice

# Keeps 0/0 away from the harmonic mean of two closed sites; far below any conductivity that matters, and its square
# is still a normal float32.
_TINY = sp.Float("1e-12")


@dataclass(frozen=True)
class Stencils:
    """Difference operators and averages of one lattice."""

    domain: Lattice

    @property
    def rank(self) -> int:
        return len(self.domain.axes)

    @property
    def origin(self) -> Offset:
        return (0,) * self.rank

    def unit(self, axis: int) -> Offset:
        return tuple(int(i == axis) for i in range(self.rank))

    def leaf(self, jet: Jet) -> Leaf:
        return Leaf(jet.array, self.origin, bool(jet.is_positive))

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
        """Coefficient of the edge (n, n + e) from its two sites; at a "zero" wall that of the site inside."""
        if not g.has(Leaf):
            return g
        fixed, local = g.as_independent(Leaf, as_Add=False)
        e = self.unit(axis)
        a, b = local, shift(local, e)
        if self.domain.average == "harmonic":
            mean = a * b / ((a + b) / 2 + _TINY)
        else:
            mean = (a + b) / 2
        if self.domain.boundary == "zero":
            mean = (
                Inside(self.origin) * Inside(e) * mean
                + Inside(self.origin) * Outside(e) * a
                + Outside(self.origin) * Inside(e) * b
            )
        return fixed * mean


def edge_terms(expr: sp.Expr, stencils: Stencils) -> tuple[sp.Expr, dict[int, sp.Expr]]:
    """Split a density in jets into its site part and, per axis, its part on the forward edge."""
    site: list[sp.Expr] = []
    edges: dict[int, list[sp.Expr]] = {}
    for term in _terms(expr):
        jets = [j for j in sorted(term.atoms(Jet), key=lambda j: j.name) if j.order]
        axes = frozenset().union(*(j.axes() for j in jets)) if jets else frozenset()
        if len(axes) == 1 and all(j.order == 1 for j in jets):
            (axis,) = axes
            edges.setdefault(axis, []).append(_edge(term, jets, axis, stencils))
        else:
            site.append(_site(term, jets, stencils))
    return sp.Add(*site), {axis: sp.Add(*terms) for axis, terms in sorted(edges.items())}


def functional_density(expr: sp.Expr, stencils: Stencils) -> sp.Expr:
    """The density to be summed over Z^d and varied: every edge once, at its lower site."""
    site, edges = edge_terms(expr, stencils)
    return sp.Add(site, *edges.values())


def site_density(expr: sp.Expr, stencils: Stencils) -> sp.Expr:
    """The density at each site, half of every edge to each of its two ends (a wall edge whole to the site inside);
    its sum over the lattice is that of ``functional_density``."""
    site, edges = edge_terms(expr, stencils)
    halves: list[sp.Expr] = []
    for axis, edge in edges.items():
        for end, e in ((edge, stencils.unit(axis)), (_before(edge, axis, stencils), negate(stencils.unit(axis)))):
            wall = stencils.domain.boundary == "zero"
            halves.append(end * ((Inside(e) / 2 + Outside(e)) if wall else sp.Rational(1, 2)))
    return at_site(sp.Add(site, *halves), stencils.origin)


def _before(edge: sp.Expr, axis: int, stencils: Stencils) -> sp.Expr:
    return shift(edge, negate(stencils.unit(axis)))


def _terms(expr: sp.Expr) -> tuple[sp.Expr, ...]:
    """Terms of a density, multiplied out only where derivatives are inside a product."""
    if not any(j.order for j in expr.atoms(Jet)):
        return (expr,)
    whole: list[sp.Expr] = []
    for term in sp.Add.make_args(expr):
        derivatives = any(j.order for j in term.atoms(Jet))
        whole.extend(sp.Add.make_args(sp.expand(term)) if derivatives else [term])
    return tuple(whole)


def _edge(term: sp.Expr, jets: list[Jet], axis: int, stencils: Stencils) -> sp.Expr:
    """g(z) m(D z) -> mean(g) m(D+ z); where the two do not separate, the coefficient arrays are averaged one by one."""
    coefficient: list[sp.Expr] = []
    slopes: list[sp.Expr] = []
    for factor in sp.Mul.make_args(term):
        (slopes if factor.has(*jets) else coefficient).append(factor)
    swap = {j: stencils.forward(stencils.leaf(Jet(j.array, stencils.origin)), axis) for j in jets}
    mixed = sp.Mul(*slopes)
    for j in sorted(mixed.atoms(Jet), key=lambda j: j.name):
        if not j.order:
            swap[j] = stencils.edge_mean(stencils.leaf(j), axis)
    return stencils.edge_mean(_at_site(sp.Mul(*coefficient), stencils), axis) * mixed.xreplace(swap)


def _site(term: sp.Expr, jets: list[Jet], stencils: Stencils) -> sp.Expr:
    first = sorted(frozenset().union(*(j.axes() for j in jets if j.order == 1)) if jets else ())
    wall = Inside(stencils.origin) if stencils.domain.boundary == "neumann" and jets else sp.S.One
    higher = {j: stencils.central(stencils.leaf(Jet(j.array, stencils.origin)), j.orders) for j in jets if j.order > 1}
    total = sp.S.Zero
    for sides in product((stencils.forward, stencils.backward), repeat=len(first)):
        swap = dict(higher)
        for j in jets:
            if j.order == 1:
                (axis,) = j.axes()
                side = sides[first.index(axis)]
                swap[j] = side(stencils.leaf(Jet(j.array, stencils.origin)), axis)
        total += term.xreplace(swap)
    return _at_site(wall * total / 2 ** len(first), stencils)


def _at_site(expr: sp.Expr, stencils: Stencils) -> sp.Expr:
    return expr.xreplace({j: stencils.leaf(j) for j in expr.atoms(Jet) if not j.order})
