"""Functionals and brackets on a graph, split into what lives on the nodes and what lives on the edges.

H = sum_n V(z_n) + sum_e U(d_e),  d_i = B f_i(z):      dH/dz = V_z + sum_i (df_i/dz) B^T U_{d_i}
(F, G) = sum_n b(F_z, G_z) + sum_e c(a_F, a_G),  a_i = B (A_i . F_z):  M g = b_f[g] + sum_i A_i B^T c_{a_i}[B (A . g)]

An edge sees the nodes through differences only, and its orientation is arbitrary: U and c are even in all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.errors import SpecError
from metrigen.physics import channels
from metrigen.physics.derivation import Bilinear
from metrigen.physics.incidence import MAPS, outermost, places
from metrigen.physics.jets import Jet, jet, jets_of, to_jets
from metrigen.physics.operators import Form
from metrigen.physics.report import show, witness
from metrigen.physics.variation import euler_jets, gradient, tidy
from metrigen.physics.zero import zero_test
from metrigen.spec.domain import Graph
from metrigen.spec.edges import codifference, difference
from metrigen.spec.functional import Dissipation
from metrigen.spec.symbols import t
from metrigen.spec.system import System

Names = Mapping[sp.Expr, AppliedUndef]


def named_differences(part: str, exprs: Iterable[sp.Expr], graph: Graph) -> dict[sp.Expr, AppliedUndef]:
    """difference(f) -> a function on the edges that stands for it, for every difference in expressions of fields."""
    names = {}
    for i, atom in enumerate(outermost(exprs)):
        f = atom.args[0]
        if not isinstance(atom, difference) or f.has(*MAPS):
            raise SpecError(
                f"{atom} in {part}= is no difference of node values",
                part=part,
                fix="grad(u) of a field u",
                see="graph-terms",
            )
        if "edge" in places(f):
            raise SpecError(
                f"{part}= holds the difference of {f}, which lives on edges",
                part=part,
                why="grad acts on values at the nodes",
                fix="multiply afterwards: w*grad(u).square",
                see="graph-terms",
            )
        if any(t == x for d in f.atoms(sp.Derivative) for x, _ in d.variable_count):
            raise SpecError(
                f"{part}= holds the difference of a rate of change, {f}",
                part=part,
                why="an inertia on the edges couples all velocities; they would follow from the solution of a linear "
                "system over the graph",
                fix="keep the kinetic energy on the nodes",
                see="graph-terms",
            )
        if channels.has_maps(f):
            raise SpecError(
                f"{part}= mixes channels inside a difference: {f}",
                part=part,
                fix="mix outside of grad()",
                see="graph-terms",
            )
        label = f.func.__name__ if isinstance(f, AppliedUndef) else f"#{i}"
        names[atom] = sp.Function(f"B({label})", real=True)(graph.edge)
    return names


@dataclass(frozen=True)
class Density:
    """V on the nodes, U on the edges (in jets), and what the differences in U are of: d_i -> f_i(z)."""

    node: sp.Expr
    edge: sp.Expr
    differences: Mapping[AppliedUndef, sp.Expr]

    def spelled(self, expr: sp.Expr) -> sp.Expr:
        """An expression in jets with its differences written out."""
        return expr.xreplace({jet(d): difference(f) for d, f in self.differences.items()})

    def partials(self) -> dict[AppliedUndef, sp.Expr]:
        """dU/dd_i for every difference."""
        gradients = gradient(self.edge)
        return {d: tidy(gradients.get(jet(d), sp.S.Zero)) for d in self.differences}

    def covectors(self, fields: Sequence[AppliedUndef]) -> tuple[sp.Expr, ...]:
        """The derivative of the sum over nodes and edges by each field, at the nodes."""
        partials = {d: self.spelled(e) for d, e in self.partials().items()}
        out = []
        for u in fields:
            through = [f.diff(jet(u)) * codifference(partials[d]) for d, f in self.differences.items()]
            out.append(tidy(sp.Add(euler_jets(self.node, u), *through)))
        return tuple(out)


def split_density(part: str, density: sp.Expr, names: Names) -> Density:
    """Split a density in jets, its differences already named."""
    check_not_along(part, density)
    node, edge = split_places(part, density)
    flipped = edge.xreplace({jet(d): -jet(d) for d in names.values()})
    _check_even(part, edge - flipped)
    return Density(node, edge, {d: to_jets(atom.args[0]) for atom, d in names.items()})


def check_not_along(part: str, density: sp.Expr) -> None:
    """Refuse a derivative along the index of nodes or edges."""
    for j in jets_of(density):
        if any(n for x, n in zip(j.base.args, j.orders, strict=True) if x != t):
            fix = "grad(u) is the difference along every edge"
            raise SpecError(f"{part}= differentiates along a graph: {show(j)}", part=part, fix=fix, see="graph-terms")


def split_places(part: str, density: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """The terms of a density at the nodes and those on the edges."""
    nodes: list[sp.Expr] = []
    edges: list[sp.Expr] = []
    for outer in sp.Add.make_args(density):
        for term in sp.Add.make_args(sp.expand(outer) if len(places(outer)) > 1 else outer):
            where = places(term)
            if len(where) > 1:
                raise SpecError(
                    f"a term of {part}= holds values of nodes and of edges: {show(term)}",
                    part=part,
                    why="an edge has two ends, and the term does not say which one it means",
                    fix="a sum of terms of the nodes, m2*u**2, and of the edges, w*grad(u).square",
                    see="graph-terms",
                )
            (edges if "edge" in where else nodes).append(term)
    return sp.Add(*nodes), sp.Add(*edges)


def _check_even(part: str, defect: sp.Expr) -> None:
    if not zero_test(defect):
        raise SpecError(
            f"a term of {part}= changes with the orientation of an edge",
            part=part,
            why=f"reversing all edges changes it by {show(sp.expand(defect))}; the edges are undirected",
            witness=witness(defect) or None,
            fix="use an even function of the differences, such as grad(u).square or cos(grad(u)[0])",
            see="graph-terms",
        )


@dataclass(frozen=True)
class Metric:
    """A dissipative bracket: a form at the nodes and one on the edges, either of which may be absent.

    arguments  A_i . F_z of the edge form, in jets of the left covectors, in the order of its slots
    source     the callable of the spec; a ``Dissipation`` with its differences named
    """

    node: Form | None
    edge: Form | None
    arguments: tuple[sp.Expr, ...]
    covectors: tuple[AppliedUndef, ...]
    spelled: Mapping[Jet, sp.Expr]
    source: object

    def forms(self) -> list[Form]:
        return [form for form in (self.node, self.edge) if form is not None]

    def flows(self, g: Sequence[sp.Expr]) -> list[tuple[sp.Expr, sp.Expr]]:
        """(A_i . g at the nodes, j_i on the edges) of the edge form: M g = ... + A_i B^T j_i."""
        if self.edge is None:
            return []
        table = {jet(f): value for f, value in zip(self.covectors, g, strict=True)}
        values = [tidy(a.xreplace(table)) for a in self.arguments]
        slots = {jet(s): difference(v) for s, v in zip(self.edge.right, values, strict=True)}
        rows = [row.xreplace({**slots, **self.spelled}) for row in self.edge.rows]
        return list(zip(values, (tidy(row) for row in rows), strict=True))

    def apply(self, g: Sequence[sp.Expr]) -> tuple[sp.Expr, ...]:
        """M g at the nodes."""
        local = (sp.S.Zero,) * len(g) if self.node is None else self.node.apply(g)
        out = []
        for f, value in zip(self.covectors, local, strict=True):
            flows = zip(self.arguments, self.flows(g), strict=False)
            out.append(tidy(value + sp.Add(*(a.diff(jet(f)) * codifference(j) for a, (_, j) in flows))))
        return tuple(out)


def metric_on_graph(system: System, whole: Form, bilinear: Bilinear, graph: Graph) -> Metric:
    """Split a metric into its forms. ``whole`` was built without regard to edges and knows the covectors."""
    left, right, value = bilinear.left, bilinear.right, bilinear.form
    back = dict(zip(right, left, strict=True))
    atoms = [atom for atom in outermost([value]) if isinstance(atom, difference)]
    ours = [atom for atom in atoms if atom.has(*left) or atom.has(*right)]
    names = named_differences("metric", [atom for atom in atoms if atom not in ours], graph)
    arguments = list(dict.fromkeys(atom.args[0].xreplace(back) for atom in ours))
    sides = {side: [sp.Function(f"{side}:{i}", real=True)(graph.edge) for i in range(len(arguments))] for side in "FG"}
    table: dict[sp.Expr, sp.Expr] = dict(names)
    for atom in ours:
        if atom.has(*left) and atom.has(*right):
            raise SpecError(
                f"metric= holds the difference of a product of covectors: {atom}",
                part="metric",
                why="a metric is one factor in F times one in G",
                fix="the product of the differences, grad(F[u]).dot(grad(G[u]))",
                see="graph-terms",
            )
        place = arguments.index(atom.args[0].xreplace(back))
        table[atom] = sides["F" if atom.has(*left) else "G"][place]
    density = to_jets(value.xreplace(table))
    check_not_along("metric", density)
    node, edge = split_places("metric", density)
    moving = (*names.values(), *sides["F"], *sides["G"])
    _check_even("metric", edge - edge.xreplace({jet(d): -jet(d) for d in moving}))
    slots = tuple(sp.Function(f"B({_shown(a, left, whole.state)})", real=True)(graph.edge) for a in arguments)
    return Metric(
        None if node.is_zero else _form(node, whole.state, left, right),
        None if edge.is_zero else _form(edge, slots, tuple(sides["F"]), tuple(sides["G"])),
        tuple(to_jets(a) for a in arguments),
        left,
        {jet(d): to_jets(atom) for atom, d in names.items()},
        _named_source(system.metric, names),
    )


def _form(
    density: sp.Expr, state: tuple[AppliedUndef, ...], left: tuple[AppliedUndef, ...], right: tuple[AppliedUndef, ...]
) -> Form:
    return Form("metric", state, left, right, density, tuple(euler_jets(density, f) for f in left))


def _shown(argument: sp.Expr, left: Sequence[AppliedUndef], state: Sequence[AppliedUndef]) -> str:
    """What a slot of the edge form stands for: dF/du is written u."""
    named = {f: sp.Symbol(u.func.__name__, real=True) for f, u in zip(left, state, strict=True)}
    return show(to_jets(argument.xreplace(named)))


def _named_source(source: object, names: Names) -> object:
    if not isinstance(source, Dissipation):
        return source
    return Dissipation(*((weight.xreplace(dict(names)), factor) for weight, factor in source.terms))
