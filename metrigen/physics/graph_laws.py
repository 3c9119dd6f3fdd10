"""Laws of a graph system: degeneracies, the identities behind the energy balance, the class of a steady state."""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.physics import channels, degeneracy
from metrigen.physics.conditions import conditional
from metrigen.physics.derivation import Law, SteadyStateClass
from metrigen.physics.graph_forms import Density
from metrigen.physics.incidence import graph_zero, opaque
from metrigen.physics.jets import jet, jets_of
from metrigen.physics.operators import Form, rename
from metrigen.physics.positivity import signs_of_matrix
from metrigen.physics.report import show
from metrigen.physics.signs import condition
from metrigen.physics.zero import Zero, every, zero_test

_ORDER = ("proved", "conditional", "sampled", "failed")


def weaker(laws: Sequence[Law]) -> Law:
    """One law for the nodes and the edges: the weakest verdict, and every reason once."""
    if not laws:
        return Law("metric_psd", "proved", "the bracket vanishes")
    verdict = max((law.verdict for law in laws), key=_ORDER.index)
    how = "; ".join(dict.fromkeys(law.how for law in laws))
    detail = " and ".join(dict.fromkeys(law.detail for law in laws if law.detail))
    shown = next((law.witness for law in laws if law.witness), "")
    if verdict == "conditional":
        return conditional(laws[0].name, how, detail, [need for law in laws for need in law.needs], shown)
    return Law(laws[0].name, verdict, how, detail, shown)


def check_degeneracy(name: str, state: Sequence[AppliedUndef], residuals: Sequence[sp.Expr]) -> Law:
    """M dH = 0 or J dS = 0 at every node of every graph."""
    fix = {
        "energy_degeneracy": "let each factor A(F) of the metric vanish at F = H, or drop entropy= for the free-energy "
        "form",
        "entropy_degeneracy": "let the entropy depend on fields that the bracket does not move",
    }[name]
    return degeneracy.check_degeneracy(
        name, state, residuals, lambda: fix, where="at every node", test=graph_zero, numbers=opaque
    )


def check_end_by_end() -> Zero:
    """share(s B v) - v B^T s = -B^T(mean(v) s) for all v and s: both sides of one edge, at its head and its tail."""
    head, tail, s = sp.symbols("head tail s", real=True)
    mean, drop = (head + tail) / 2, head - tail
    ends = ((head, 1), (tail, -1))
    return every(zero_test(s * drop / 2 - v * b * s + b * mean * s) for v, b in ends)


def check_no_power(form: Form) -> Zero:
    """f.J f = 0 at every node by itself: a skew bracket without derivatives moves no energy."""
    rows = [rename(row, form.right, form.left) for row in form.rows]
    return zero_test(sp.Add(*(jet(f) * row for f, row in zip(form.left, rows, strict=True))), summed=True)


def classify(energy: Density, fields: Sequence[AppliedUndef]) -> SteadyStateClass:
    """The class of dF = 0: F'' = V'' + sum f' B^T U'' B f', positive where V'' > 0 and U'' >= 0."""
    if channels.has_maps(energy.node) or channels.has_maps(energy.edge):
        return SteadyStateClass(False, False, "a channel matrix of free sign couples the channels")
    inside = [jet(u) for u in fields]
    drops = [jet(d) for d in energy.differences]
    node = [[sp.expand(energy.node.diff(a).diff(b)) for b in inside] for a in inside]
    edge = [[sp.expand(energy.edge.diff(a).diff(b)) for b in drops] for a in drops]
    bent = [f for f in energy.differences.values() if any(jets_of(f.diff(a), *fields) for a in inside)]
    held = [e for row in node for e in row if jets_of(e, *fields)]
    held += [e for row in edge for e in row if jets_of(e, *energy.differences)] + bent
    if held:
        return SteadyStateClass(False, False, f"dF is not linear in the fields: F'' holds {show(held[0])}")
    local, along = signs_of_matrix(node), signs_of_matrix(edge)
    bad = next((s for s in (*local, *along) if not s.holds), None)
    if bad is not None:
        return SteadyStateClass(True, False, f"{condition(bad)} is not known", bad.witness)
    weak = next((s for s in local if s.verdict != "positive"), None)
    if weak is not None or any(s.by_points for s in (*local, *along)):
        why = "semi-definite: a state that is the same at every node costs nothing, the solution is not unique"
        return SteadyStateClass(True, False, why)
    return SteadyStateClass(True, True, "weights of the edges >= 0, weights of the nodes > 0")
