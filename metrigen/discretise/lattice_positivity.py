"""``lattice_metric_psd``: is f . M f >= 0 on the lattice?

f . M f is the sum over the lattice of a density that is quadratic in the values of f around a site. A positive
semi-definite matrix of that density at every site is a proof; else random states are tried.
"""

from __future__ import annotations

import numpy as np
import sympy as sp

from metrigen.discretise.base import Discretisation
from metrigen.discretise.lattice_probe import TOLERANCE, TRIALS, Stencil, Unwritten, applied, writing
from metrigen.errors import StructureError
from metrigen.ir.nodes import Load, loads
from metrigen.physics.derivation import Bilinear, Law
from metrigen.physics.positivity import signs_of_matrix
from metrigen.physics.size import nodes
from metrigen.physics.work_budget import expand

NAME = "lattice_metric_psd"
_MOST_VALUES, _LARGE = 6, 300  # values of f around a site, operations of the density


def lattice_positivity(stencil: Stencil, metric: Bilinear) -> Law:
    """Inherited where the metric is pointwise, else by the density at a site, else sampled."""
    law = stencil.dynamics.derivation.law("metric_psd")
    if not metric.form.has(sp.Derivative):
        return law.inherited(NAME, "pointwise: the law of the continuum at every site")
    if _proved(stencil, metric):
        return Law(NAME, "proved", "LDL^T of the density of f.M f in the values around a site")
    assert stencil.metric is not None
    ratios = []
    inner = Discretisation.inner
    for trial, state in enumerate(stencil.states()):
        f = stencil.covector(trial, 1)
        ratios.append(inner(f, applied(stencil.metric, state, f))[0] / inner(f, f)[0])
    smallest = min(ratios)
    if not np.isfinite(smallest):
        return Law(NAME, "sampled", "not decided: no real value on random states")
    if law.verdict == "conditional":
        return law.inherited(NAME, "as in the continuum")
    if smallest < -TOLERANCE:
        raise StructureError(
            "the stencil of the metric is not positive", law=NAME, part="metric", residual=metric.form,
            witness=f"f M f = {smallest:.3g} f.f for a random f",
            fix="the factored form, metric=Dissipation((w, A), ...) with weights w >= 0",
        )  # fmt: skip
    return Law(NAME, "sampled", f"{TRIALS} random states: not a proof", f"smallest f.M f = {smallest:.1e} f.f")


def _proved(stencil: Stencil, metric: Bilinear) -> bool:
    """A sum is positive where its parts are: the terms of each set of axes are judged by themselves."""
    groups: dict[frozenset[sp.Symbol], list[sp.Expr]] = {}
    try:
        with writing():
            for term in sp.Add.make_args(expand(metric.form)):
                axes = frozenset(x for d in term.atoms(sp.Derivative) for x in d.variables)
                groups.setdefault(axes, []).append(term)
            return all(_positive(stencil, metric, sp.Add(*terms)) for terms in groups.values())
    except Unwritten:
        return False


def _positive(stencil: Stencil, metric: Bilinear, form: sp.Expr) -> bool:
    lowering, left, right = stencil.dynamics.covectors(metric)
    (density,) = stencil.inline(lowering.functional("metric", form, "metric")).values()
    names = dict(zip(right, left, strict=True))
    same = {load: load.renamed(names[load.array]) for load in loads(density) if load.array in names}
    square = density.xreplace(same)
    around: list[Load] = [load for load in loads(square) if load.array in left]
    square = square.xreplace(_signed(stencil, square))
    if len(around) > _MOST_VALUES or nodes(square) > _LARGE:
        return False
    matrix = [[expand(square.diff(a).diff(b)) for b in around] for a in around]
    return all(sign.holds and not sign.by_points for sign in signs_of_matrix(matrix))


def _signed(stencil: Stencil, density: sp.Expr) -> dict[sp.Basic, sp.Expr]:
    """The values of fields that are declared nonnegative, as symbols that are."""
    arrays = {a.name: u for u, a in stencil.dynamics.lowering.arrays.items() if u.is_nonnegative}
    known = [load for load in loads(density) if load.array in arrays]
    return {
        load: sp.Symbol(load.name, nonnegative=True, positive=arrays[load.array].is_positive or None) for load in known
    }
