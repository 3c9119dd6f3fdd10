"""Well-posedness: the growth rate of a short wave must stay bounded as its wave number grows.

A quadratic energy that is not negative and does not grow proves it, and so may the principal part. Else the symbol of
the equations is tried at frozen states. A state counts where H and S are real and the metric is not negative: the
condition under which ``metric_psd`` holds. If short waves grow at every state that counts the equations are refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import sympy as sp

from metrigen.errors import StructureError
from metrigen.physics import channels, steady
from metrigen.physics.clock import is_timed
from metrigen.physics.conditions import Conditions, conditional, point_text, within
from metrigen.physics.derivation import Law
from metrigen.physics.growth import Linearised, Trial, operations, too_large
from metrigen.physics.jets import Jet, jets_of, label
from metrigen.physics.opaque import LearnedValue, undeclared
from metrigen.physics.principal import by_principal_part, in_energy_space
from metrigen.physics.report import violation
from metrigen.physics.semilinear import is_semilinear
from metrigen.physics.size import TooLarge
from metrigen.physics.state import State
from metrigen.physics.work_budget import LAW, limited
from metrigen.physics.zero import Point, random_point
from metrigen.spec.neural import learned_functions

NAME = "well_posed"
_SEEDS = (0, 2, 4, 1, 3, 5)
_FARTHER = ((0, 0.3), (0, 20.0))  # seed and size of further states
_MORE, _SPREADS = range(6, 24), (2.0, 0.3, 20.0)  # tried before a system is refused
_LONGEST = 6000  # operations of densities whose values are looked at


def check_well_posed(state: State, laws: tuple[Law, ...]) -> tuple[Law, ...]:
    """The law ``well_posed`` of a PDE; nothing for ordinary differential equations."""
    if not state.axes:
        return ()
    if state.rates is None:
        return (Law(NAME, "sampled", "not tested: the equations are too large to be written out"),)
    if state.constrained is None and not any(j.order for rate in state.rates for j in jets_of(rate, *state.fields)):
        return (Law(NAME, "proved", "no space derivative acts on the state"),)
    metric = next((law for law in laws if law.name == "metric_psd"), None)
    proof = None
    try:
        with limited(LAW):
            proof = _proof(state, metric)
            if proof is not None and proof.verdict == "proved":
                return (proof,)
            return (_sampled(state, state.rates, metric, proof),)
    except TooLarge as error:
        return (proof or Law(NAME, "sampled", f"not decided: {error.short}"),)


def _proof(state: State, metric: Law | None) -> Law | None:
    """By an energy, under the condition that the metric is positive where it has one; or by the principal part."""
    law = None
    if state.constrained is None and (metric is None or metric.verdict in ("proved", "conditional")):
        law = _by_energy(state)
    if law is not None and metric is not None and metric.verdict == "conditional":
        law = conditional(NAME, law.how, f"where {metric.detail}", metric.needs) if metric.needs else None
    if law is not None and law.verdict == "proved":
        return law
    principal = None if state.constrained is not None else by_principal_part(state)
    return principal if law is None or (principal is not None and principal.verdict == "proved") else law


def _by_energy(state: State) -> Law | None:
    """The law where the metric is positive and the energy controls a norm of the fields."""
    if _energy_estimate(state):
        return Law(NAME, "proved", "energy estimate: H is a non-negative quadratic form and does not grow")
    if is_semilinear(state):
        how = "semilinear: the linear part does not grow, the rest has no derivatives"
        return Law(NAME, "proved", how, "while the fields stay bounded")
    return in_energy_space(state)


def _energy_estimate(state: State) -> bool:
    """z_t = J dH - M dH with state-independent J and M >= 0, and a quadratic density H >= 0 whose coefficients do not
    move with the time: H does not grow."""
    if state.entropy is not None or channels.has_maps(state.hamiltonian):
        return False
    for form in (state.bracket, state.metric):
        if form is not None and any(j.base in state.fields for j in jets_of(form.density)):
            return False
    if any(is_timed(g.diff(j)) for g in state.covectors for j in jets_of(g, *state.fields)):
        return False
    return steady.nonnegative(state.hamiltonian, state.covectors, state.fields)


@dataclass(frozen=True)
class _Trials:
    """What was found at the states tried: those that count and those that do not, calm or growing."""

    calm: tuple[Point, ...]
    growing: tuple[tuple[Point, Trial], ...]
    outside_calm: int
    outside_growing: tuple[tuple[Point, Trial], ...]

    @classmethod
    def of(cls, linear: Linearised, premise: Conditions, points: Sequence[Point]) -> _Trials:
        tried = [(p, trial, premise.hold(p)) for p in points if (trial := linear.at(p)) is not None]
        return cls(
            tuple(p for p, trial, counts in tried if counts and not trial.grows),
            tuple((p, trial) for p, trial, counts in tried if counts and trial.grows),
            sum(not counts and not trial.grows for _, trial, counts in tried),
            tuple((p, trial) for p, trial, counts in tried if not counts and trial.grows),
        )

    def __add__(self, other: _Trials) -> _Trials:
        return _Trials(
            self.calm + other.calm,
            self.growing + other.growing,
            self.outside_calm + other.outside_calm,
            self.outside_growing + other.outside_growing,
        )

    @property
    def worst(self) -> str:
        """A witness of growth, at a state that counts if there is one; "" where nothing grows."""
        for point, trial in (*self.growing, *self.outside_growing):
            return _said(point, trial)
        return ""


def _said(point: Point, trial: Trial) -> str:
    where = point_text(point)
    return f"{where}: {trial.text}" if where else trial.text


def _sampled(state: State, rates: tuple[sp.Expr, ...], metric: Law | None, proof: Law | None) -> Law:
    constrained = state.constrained
    auxiliary = () if constrained is None else constrained.fields
    whole = (*rates, *(() if constrained is None else constrained.residuals))
    linear = Linearised.of(whole, state.fields, auxiliary)
    if linear is None:
        limit = too_large(whole, (*state.fields, *auxiliary))
        return proof or Law(NAME, "sampled", f"not tested: {limit}")
    how = "frozen-coefficient symbol" + (", auxiliary fields eliminated," if auxiliary else "")
    how += " at random states, |k| = 1e2 and 1e4"
    premise = _premise(state, metric)
    points = [_drawn(linear, premise, seed) for seed in _SEEDS]
    found = _Trials.of(linear, premise, points)
    if not found.growing and not found.outside_growing:
        found = _farther(linear, premise, found)
    if not found.calm:
        found = _wider(linear, premise, found)
    free = _free(linear, premise, points) if found.growing or found.outside_growing else None
    if found.growing and not found.calm and free is None:
        exempt = _lower_order(linear, premise, found)
        if exempt:
            return Law(NAME, "sampled", how, exempt, found.worst)
        raise _ill_posed(state, found)
    if proof is not None:
        return replace(proof, witness=proof.witness or found.worst)
    return _verdict(how, found, free, metric, _granted(rates))


def _verdict(how: str, found: _Trials, free: tuple[str, Point] | None, metric: Law | None, granted: str) -> Law:
    """The law where some state that counts is calm, or none that counts was found."""
    if free is not None:
        where, point = free
        return Law(NAME, "conditional", how, f"no growth found where {where}", found.worst, holds_at=point_text(point))
    if found.growing:
        return Law(NAME, "conditional", how, f"not at every state: {found.worst}", found.worst,
                   holds_at=point_text(found.calm[0]))  # fmt: skip
    if found.outside_growing and found.calm:
        where = f"where {metric.detail}" if metric is not None and metric.detail else "where the energy is real"
        return Law(
            NAME, "conditional", how, f"no growth found {where}", found.worst, holds_at=point_text(found.calm[0])
        )
    if found.outside_growing:
        return Law(NAME, "sampled", how, "no state was found at which the metric is positive", found.worst)
    states = len(found.calm) + found.outside_calm
    if not states:
        return Law(
            NAME, "sampled", how, f"not decided: the equations have no value at any state that was tried{granted}"
        )
    return Law(NAME, "sampled", how, f"no growth found at {states} states{granted}")


def _premise(state: State, metric: Law | None) -> Conditions:
    """What makes a state count. Densities with channel maps or of great size are taken for real."""
    densities = [h for h in (state.hamiltonian, state.entropy) if h is not None and not channels.has_maps(h)]
    densities = [h for h in densities if operations([h]) <= _LONGEST // 4]
    needs = () if metric is None else metric.needs
    mixed = any(channels.has_maps(rate) for rate in state.rates or ())
    return Conditions.of([e for need in needs for e in (channels.explicit(need, 2) if mixed else [need])], densities)


def _drawn(linear: Linearised, premise: Conditions, seed: int, spread: float = 2.0) -> Point:
    drawn = random_point(sp.Tuple(*linear.coefficients), seed, spread)
    return within({**drawn, **{s: v for s, v in random_point(premise.symbols, seed, spread).items() if s not in drawn}})


def _farther(linear: Linearised, premise: Conditions, found: _Trials) -> _Trials:
    """Small and large states as well, as far as the account goes."""
    try:
        return found + _Trials.of(linear, premise, [_drawn(linear, premise, seed, s) for seed, s in _FARTHER])
    except TooLarge:
        return found


def _wider(linear: Linearised, premise: Conditions, found: _Trials) -> _Trials:
    """More states, until one that counts is calm or the account is empty."""
    known = premise.state() if not found.growing else None
    more = [_drawn(linear, premise, seed, _SPREADS[seed % len(_SPREADS)]) for seed in _MORE]
    for point in more if known is None else [{**point, **known} for point in more]:
        try:
            found += _Trials.of(linear, premise, [point])
        except TooLarge:
            return found
        if found.calm:
            return found
    return found


def _lower_order(linear: Linearised, premise: Conditions, found: _Trials) -> str:
    """At a constant state the frozen symbol is the exact one: no growth there, where the principal part does not
    vanish, and growth of a lower order elsewhere, is no proof of ill-posedness."""
    flat = [point for point in map(_flat, (p for p, _ in found.growing)) if premise.hold(point)]
    tried = [trial for point in flat if (trial := linear.at(point)) is not None]
    calm = bool(tried) and not any(trial.grows for trial in tried)
    if calm and any(trial.is_of_lower_order(tried[0]) for _, trial in found.growing):
        return "no growth at constant states; at others the frozen symbol grows, perhaps at a lower order"
    return ""


def _flat(point: Point) -> Point:
    """The point with every derivative zero."""
    return {s: sp.S.Zero if isinstance(s, Jet) and s.order else value for s, value in point.items()}


def _free(linear: Linearised, premise: Conditions, points: Sequence[Point]) -> tuple[str, Point] | None:
    """Signs of learned functions under which no state that counts grows, and such a state."""
    if not any(undeclared(c) for c in linear.coefficients):
        return None
    for values in _curvatures(points[0]):
        made = [{s: abs(v) if s in values else v for s, v in point.items()} for point in points]
        found = _Trials.of(linear, premise, made)
        if found.calm and not found.growing:
            return " and ".join(f"{label(s)} >= 0" for s in values), found.calm[0]
    return None


def _curvatures(point: Point) -> Iterator[list[LearnedValue]]:
    """Signs that a condition on learned functions may ask for: their values, their curvatures, or both."""
    free = [s for s in point if isinstance(s, LearnedValue) and not s.is_nonnegative]
    sets = ([s for s in free if s.atom.head.order in orders] for orders in ((0,), (2,), (0, 2)))
    return (values for values in sets if values)


def _granted(rates: Sequence[sp.Expr]) -> str:
    """The conditions that the states tried were granted."""
    convex = [head.name for head in learned_functions(*rates) if head.convex]
    return "".join(f", with {name} convex as declared" for name in convex)


def _ill_posed(state: State, found: _Trials) -> StructureError:
    part = _culprit(state, [point for point, _ in found.growing])
    assert state.rates is not None
    why = "the linearised growth rate increases with the wave number"
    if state.constrained is not None:
        why += ", the auxiliary fields eliminated"
    return violation(
        "the equations are ill-posed: short waves grow without bound",
        law=NAME,
        residual=state.rates[0],
        part=part,
        why=f"{why} ({_CAUSES[part]})",
        witness=found.worst,
        fix=_FIXES[part] + (", and the sign of the constraint" if state.constrained is not None else ""),
    )


_CAUSES = {
    "lagrangian": "a squared space derivative has the sign of the kinetic energy",
    "hamiltonian": "a backward heat equation, an elliptic equation in time: an energy of the wrong convexity",
    "entropy": "a backward heat equation: an entropy of the wrong convexity",
}
_FIXES = {
    "lagrangian": "give the squared space derivatives the sign opposite to the squared velocities, L = u.diff(t)**2/2 "
    "- grad(u).square/2",
    "hamiltonian": "check the signs of the squared derivatives in the energy",
    "entropy": "an entropy is concave: -u*log(u), log(u), -u**2/2",
}


def _culprit(state: State, points: Sequence[Point]) -> str:
    """The part whose sign decides. The metric is not negative at the states that count: an energy or an entropy is of
    the wrong convexity, the entropy where the reversible part alone does not grow."""
    energy = "hamiltonian" if state.lagrangian is None else "lagrangian"
    if state.entropy is None:
        return energy
    if state.bracket is None or state.constrained is not None:
        return "entropy"
    reversible = Linearised.of(state.bracket.apply(state.covectors), state.fields)
    if reversible is None:
        return "entropy"
    grown = [trial for point in points if (trial := reversible.at(point)) is not None and trial.grows]
    return energy if grown else "entropy"
