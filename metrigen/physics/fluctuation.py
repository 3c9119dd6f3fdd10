"""Fluctuation and dissipation: the noise of a metric at a temperature, and that exp(-H/T) stands still under it.

    dz = (J dH - M dH + T div M) dt + sqrt(2 T M) dW        Ito

The probability current of the density p = exp(-H/T) is

    p (J dH - M dH + T div M) - div(T M p) = p J dH         since div(T M p) = p (T div M - M dH)

so the friction and the noise cancel, whatever M is, and div(p J dH) = p (div(J dH) - dH . J dH / T) is left. J is skew:
the density stands still where the flow J dH keeps volumes. On a lattice z are the values at the sites, and H/T their
energy over T.

A temperature that differs from site to site, or channel to channel, needs a noise for each by itself, a diagonal M;
then p = exp(-sum of H_i/T_i) where nothing couples the parts i, and no such density is known where something does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.physics import channels
from metrigen.physics.clock import is_driven, moves
from metrigen.physics.derivation import Derivation, Law, Verdict
from metrigen.physics.jets import from_jets, jet, jets_of
from metrigen.physics.preconditions import name_of, rows, unfit
from metrigen.physics.report import show
from metrigen.physics.size import TooLarge
from metrigen.physics.state import State
from metrigen.physics.volume import divergence
from metrigen.physics.work_budget import LAW, limited
from metrigen.physics.zero import is_zero
from metrigen.spec.symbols import InputFunction, Param

NAME = "fluctuation_dissipation"
_FITS = (
    "Strang(steps=8, dt=0.1) for T = a*p**2/2 and friction gamma*F[p]*G[p], ExplicitEuler(steps=8, dt=0.01) for a "
    "metric w*F[u]*G[u] of every field by itself; or drop temperature="
)


def weights(derivation: Derivation) -> Mapping[AppliedUndef, sp.Expr]:
    """Field -> w of a metric that is a sum of w F[u] G[u], w a function at the site; fields without one are left out.

    Raises SpecError where the metric couples fields, sites or channels: its noise would need a square root of M that is
    no number at the site.
    """
    metric = derivation.metric
    if metric is None:
        return {}
    found: dict[AppliedUndef, sp.Expr] = {}
    slots = zip(derivation.fields, metric.right, rows(metric), strict=True)
    for u, g, row in slots:
        if is_zero(row):
            continue
        weight = None if channels.has_maps(row) else sp.sympify(row).diff(jet(g))
        others = [] if weight is None else [j for j in jets_of(weight) if j.order or j.base in metric.right]
        if weight is None or others or not is_zero(row - weight * jet(g)):
            raise unfit(
                derivation,
                f"the metric couples {u.func.__name__} to other fields, sites or channels, M dH = {show(row)}, and the "
                "noise sqrt(2 T M) is made for every number by itself",
                f"a metric w*F[u]*G[u] with w a function at the site; {_FITS}",
            )
        found[u] = from_jets(weight)
    return found


def check_fluctuation(derivation: Derivation) -> None:
    """Raise SpecError where the method of a system with a temperature makes no noise, or not this one."""
    system = derivation.system
    if system.temperature is None or system.integrator is None:
        return
    if not system.integrator.fluctuates:
        raise unfit(
            derivation,
            f"the system has temperature={system.temperature}, and {name_of(derivation)} makes no noise: it would "
            "step the system at temperature 0",
            _FITS,
        )
    weights(derivation)


def fluctuation_law(state: State, laws: Sequence[Law]) -> tuple[Law, ...]:
    """exp(-H/T) stands still; none without a temperature. ``laws``: those of the metric, which must be positive."""
    if state.system.temperature is None:
        return ()
    return (_decided(state, state.system.temperature, next(law for law in laws if law.name == "metric_psd")),)


def _decided(state: State, temperature: sp.Expr, positive: Law) -> Law:
    try:
        with limited(LAW):
            return _law(state, temperature, positive)
    except TooLarge as error:
        return Law(NAME, "sampled", f"not decided: {error.short}")


def _law(state: State, temperature: sp.Expr, positive: Law) -> Law:
    over_sites = bool(state.system.domain.axes)
    place = "the lattice" if over_sites else "the system"
    sites = ", H the sum over its sites" if over_sites else ""
    how = f"exp(-H/T) of {place}{sites}: M dH, T div M and the noise cancel in the Fokker-Planck current"
    flow = divergence(state)
    if flow.verdict == "failed":
        still = "exp(-H/T) does not stand still: its current has the divergence div(J dH) exp(-H/T)"
        return Law(NAME, "failed", still, flow.detail, flow.witness)
    conditions = [*_apart(state, temperature), *_still(state, temperature)]
    conditions += [positive.detail or "the metric is positive"] if positive.verdict == "conditional" else []
    if "sampled" in (flow.verdict, positive.verdict):
        open_ = flow.how if flow.verdict == "sampled" else "metric_psd was not decided"
        return Law(NAME, "sampled", f"{how}; {open_}", " and ".join(conditions))
    verdict: Verdict = "conditional" if conditions else "proved"
    return Law(NAME, verdict, f"{how}, and {flow.how}", " and ".join(conditions))


def differs(temperature: sp.Expr, axes: tuple[sp.Symbol, ...]) -> tuple[bool, bool]:
    """Whether a temperature may differ from channel to channel, and from site to site."""
    if isinstance(temperature, InputFunction):
        return True, bool(axes)
    per = temperature.per if isinstance(temperature, Param) else "scalar"
    return per in ("channel", "site", "sample"), per == "site" and bool(axes)


def _apart(state: State, temperature: sp.Expr) -> list[str]:
    """Where parts at temperatures of their own move apart."""
    by_channel, by_site = differs(temperature, state.system.domain.axes)
    found = []
    if by_channel and any(map(channels.has_maps, state.densities)):
        found.append("T is the same in all channels, which something couples")
    if by_site and any(j.order for e in state.densities for j in jets_of(e)):
        found.append("T is the same at all sites, which something couples")
    return found


def _still(state: State, temperature: sp.Expr) -> list[str]:
    found = []
    if moves(from_jets(state.hamiltonian)) or is_driven(temperature):
        found.append("H and T stand still in time")
    return found
