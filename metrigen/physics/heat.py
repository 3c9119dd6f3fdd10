"""The heat account of friction: which fields take up the energy that momenta lose, and how.

With a metric, an entropy S(e) and H = sum a p^2/2 + V(q) + U(e) the friction of a momentum is

    p_t = -r p,    U'(e) e_t = sum r a p^2 over the momenta that heat e

whose exact flow over a time h is p1 = p exp(-r h) with U(e1) = U(e) + sum a p^2 (1 - exp(-2 r h))/2: the energy is
constant, and S grows with e. It is written down where U is linear or exponential in e.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.errors import SpecError
from metrigen.physics import channels
from metrigen.physics.derivation import Derivation
from metrigen.physics.jets import from_jets, has_unevaluated, jet, jets_of, to_jets
from metrigen.physics.preconditions import explicit, unfit
from metrigen.physics.report import show
from metrigen.physics.variation import euler, euler_jets
from metrigen.physics.work_budget import expand
from metrigen.physics.zero import is_zero
from metrigen.spec.domain import ANY


@dataclass(frozen=True)
class Account:
    """One heat field e. slope: U'(e); growth: k of U = A exp(k e) + const, zero for a linear U; ``momenta`` heat it."""

    slope: sp.Expr
    growth: sp.Expr
    momenta: tuple[AppliedUndef, ...]


@dataclass(frozen=True)
class Friction:
    """rates: r of p_t = -r p, by momentum; accounts: by heat field."""

    rates: Mapping[AppliedUndef, sp.Expr]
    accounts: Mapping[AppliedUndef, Account]


def friction_with_heat(derivation: Derivation, pairs: Sequence[tuple[AppliedUndef, AppliedUndef]]) -> Friction:
    """The friction of a two-generator system, H = T(p) + V(q) + U(e) with T quadratic. Raises SpecError where the
    metric does more than friction, or an account is not of the form that can be kept."""
    momenta = [p for _, p in pairs]
    entropy = derivation.system.entropy
    assert entropy is not None
    heats = [u for u in derivation.structure.fields if all(u not in pair for pair in pairs) and entropy.has(u)]
    rows = _dissipative_rates(derivation)
    speeds = {p: euler(derivation.structure.hamiltonian, p).diff(p) for p in momenta}
    for u, row in rows.items():
        if u not in momenta and u not in heats and not is_zero(row):
            raise _unfit(
                derivation, f"the metric acts on {u.func.__name__}, which is neither a momentum nor a heat field"
            )
    rates = {p: _rate(derivation, p, rows[p]) for p in momenta if not is_zero(rows[p])}
    accounts = {}
    for e in heats:
        slope, growth = _internal_energy(derivation, e)
        power = expand(to_jets(slope) * rows[e])
        heated = tuple(p for p in rates if not is_zero(power.diff(jet(p))))
        gained = sp.Add(*(to_jets(rates[p] * speeds[p]) * jet(p) ** 2 for p in heated))
        if channels.has_maps(power) or not is_zero(power - gained):
            raise _unfit(
                derivation,
                f"the heat that {e.func.__name__} takes up is more than the friction of momenta: {show(power)}",
            )
        accounts[e] = Account(slope, growth, heated)
    for p in rates:
        count = sum(p in account.momenta for account in accounts.values())
        if count != 1:
            raise _unfit(derivation, f"the energy that {p.func.__name__} loses goes to {count} heat fields")
    return Friction(rates, accounts)


def _unfit(derivation: Derivation, why: str) -> SpecError:
    fix = f"DiscreteGradient keeps energy and entropy of any system; {ANY}"
    return unfit(derivation, why, explicit(derivation) or fix)


def _dissipative_rates(derivation: Derivation) -> dict[AppliedUndef, sp.Expr]:
    """M dS, row by row, in jets."""
    structure = derivation.structure
    metric, entropy = structure.metric, derivation.system.entropy
    assert metric is not None
    assert entropy is not None
    driving = {g: euler(entropy, u) for u, g in zip(structure.fields, metric.right, strict=True)}
    if any(has_unevaluated(slope) for slope in driving.values()):
        raise _unfit(derivation, "the entropy holds derivatives of functions of fields")
    density = to_jets(metric.form.xreplace(driving).doit())
    return {u: expand(euler_jets(density, f)) for u, f in zip(structure.fields, metric.left, strict=True)}


def _rate(derivation: Derivation, p: AppliedUndef, row: sp.Expr) -> sp.Expr:
    slope = sp.S.Zero if channels.has_maps(row) else expand(row.diff(jet(p)))
    if jets_of(slope, *derivation.structure.fields) or not is_zero(row - slope * jet(p)):
        raise _unfit(derivation, f"the metric is not linear friction on {p.func.__name__}: {show(row)}")
    return from_jets(-slope)


def _internal_energy(derivation: Derivation, e: AppliedUndef) -> tuple[sp.Expr, sp.Expr]:
    """U'(e), and k of U = A exp(k e) + const or zero."""
    structure = derivation.structure
    slope = to_jets(euler(structure.hamiltonian, e))
    read = jets_of(slope, *structure.fields)
    if any(j != jet(e) for j in read) or channels.has_maps(slope):
        raise _unfit(
            derivation, f"the temperature dH/d{e.func.__name__} = {show(slope)} holds more than {e.func.__name__}"
        )
    growth = expand(slope.diff(jet(e)) / slope)
    if jets_of(growth, *structure.fields):
        raise _unfit(
            derivation, f"the energy of {e.func.__name__} is neither linear nor exponential in it: U' = {show(slope)}"
        )
    return from_jets(slope), from_jets(growth)
