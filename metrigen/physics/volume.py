"""Liouville's theorem: where the flow of J dH keeps the volume of phase space, div(J dH) = 0.

J is skew, so that the second derivatives of H drop out of the divergence, and (sum of dJ_uv/dz_u) dH/dz_v is left; a
constant J leaves nothing. ``discretise.lattice_volume`` says it of the step that is emitted.
"""

from __future__ import annotations

import sympy as sp

from metrigen.errors import StructureError
from metrigen.physics import channels
from metrigen.physics.derivation import Law, Verdict
from metrigen.physics.jets import jet, jets_of
from metrigen.physics.operators import Form
from metrigen.physics.report import multiplied_out, show, violation, witness
from metrigen.physics.size import TooLarge
from metrigen.physics.state import State
from metrigen.physics.work_budget import LAW, limited
from metrigen.physics.zero import every, is_zero, zero_test

NAME = "volume"


def volume_law(state: State) -> tuple[Law, ...]:
    """The law ``volume`` of a system that asks for it; raises StructureError where its flow does not keep volumes."""
    if not state.system.volume_preserving:
        return ()
    try:
        with limited(LAW):
            if state.metric is not None:
                raise _with_metric(state, state.metric)
            law = divergence(state)
    except TooLarge as error:
        return (Law(NAME, "sampled", f"not decided: {error.short}"),)
    if law.verdict == "failed":
        raise StructureError(
            "the flow does not keep the volume of phase space", law=NAME, part="bracket", why=law.detail,
            witness=law.witness, fix="drop volume_preserving=, or choose fields in which the bracket is constant",
        )  # fmt: skip
    return (law,)


def divergence(state: State) -> Law:
    """Whether div(J dH) = 0, as the law ``volume``; a failed one says what it is."""
    form = state.bracket
    if form is None:
        return Law(NAME, "proved", "there is no bracket")
    fields = set(state.fields)
    held = [j for j in jets_of(form.density) if j.base in fields]
    if not held:
        return Law(NAME, "proved", "div(J dH) = 0, as J is free of the state")
    covectors = {*form.left, *form.right}
    if channels.has_maps(form.density) or any(j.order for j in jets_of(form.density) if j.base in covectors | fields):
        how = "whether div(J dH) vanishes was not decided: J holds the state, and couples sites or channels"
        return Law(NAME, "sampled", how)
    return _at_the_site(state, form)


def _at_the_site(state: State, form: Form) -> Law:
    """sum of d(J dH)_u / du where J is a matrix of functions at the site: the second derivatives of H drop out, J being
    skew, and (sum of dJ_uv/du) dH/dv is left."""
    left = sp.Add(*(row.diff(jet(u)) for u, row in zip(state.fields, form.rows, strict=True)))
    slots = {g: sp.expand(left).coeff(jet(g)) for g in form.right}
    tests = [zero_test(c) for c in slots.values()]
    if all(tests):
        verdict: Verdict = "proved" if every(tests).by == "expansion" else "sampled"
        return Law(NAME, verdict, "div(J dH) = 0, as sum of dJ_uv/dz_u = 0 for every v")
    residual = sp.Add(*(c * e for c, e in zip(slots.values(), state.covectors, strict=True)))
    if is_zero(residual):
        spread = any(j.order for e in state.covectors for j in jets_of(e))
        how = "div(J dH) = 0 with this H" + " in the continuum; of the stencil it was not decided" * spread
        return Law(NAME, "sampled" if spread else "proved", how)
    return Law(NAME, "failed", "the divergence of J dH", f"div(J dH) = {show(residual)}", witness(residual))


def _with_metric(state: State, metric: Form) -> StructureError:
    """A metric takes volume: what its rates at the site do to it is the witness."""
    rates = metric.apply(state.covectors if state.entropic is None else state.entropic)
    residual = sp.Add(*(rate.diff(jet(u)) for u, rate in zip(state.fields, rates, strict=True)))
    return violation(
        "a metric does not keep the volume of phase space",
        law=NAME,
        residual=multiplied_out(residual),
        part="metric",
        why=f"at a site the volume changes at the rate {'' if state.entropic is not None else '-'}({show(residual)})",
        witness=witness(residual),
        fix="drop metric=, or drop volume_preserving=",
    )
