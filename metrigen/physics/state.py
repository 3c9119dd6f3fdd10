"""The dynamics of a system in jets: its state, energy, brackets and rates of change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.errors import SpecError
from metrigen.physics.constraints import Constrained, auxiliary_fields, constrain
from metrigen.physics.derivation import Bilinear, Law, Structure
from metrigen.physics.jets import from_jets, to_jets
from metrigen.physics.legendre import Legendre, transform
from metrigen.physics.operators import Form, build_form
from metrigen.physics.size import TooLarge, blamed_on
from metrigen.physics.variation import euler_of, gradient, over_common, tidy
from metrigen.physics.vocabulary import (
    check_functions,
    check_names,
    functions_in,
    hamiltonian_fields,
    is_input,
    lagrangian_fields,
)
from metrigen.physics.work_budget import LAW, limited
from metrigen.spec.functional import Functional
from metrigen.spec.numbers import check_finite
from metrigen.spec.symbols import t
from metrigen.spec.system import System


@dataclass(frozen=True)
class State:
    """Everything that the laws and tensors are computed from. All expressions are in jets.

    fields      the full state
    covectors   dH/dz in the order of the fields; ``entropic``: dS/dz, or None
    rates       dz/dt; None where they are too large to be written out
    source      the Lagrangian, with its own fields; None for a Hamiltonian system
    constrained the auxiliary fields, or None
    """

    system: System
    fields: tuple[AppliedUndef, ...]
    hamiltonian: sp.Expr
    entropy: sp.Expr | None
    lagrangian: sp.Expr | None
    lagrangian_fields: tuple[AppliedUndef, ...]
    momenta: Mapping[AppliedUndef, AppliedUndef]
    velocities: Mapping[AppliedUndef, sp.Expr]
    covectors: tuple[sp.Expr, ...]
    entropic: tuple[sp.Expr, ...] | None
    bracket: Form | None
    bracket_form: Bilinear | None
    metric: Form | None
    metric_form: Bilinear | None
    rates: tuple[sp.Expr, ...] | None
    legendre: Law | None
    constrained: Constrained | None = None

    @property
    def structure(self) -> Structure:
        """What the equations follow from, in fields."""
        energy, constraints = from_jets(self.hamiltonian), self.system.constraints or {}
        return Structure(self.fields, energy, self.bracket_form, self.metric_form, constraints)

    @property
    def densities(self) -> tuple[sp.Expr, ...]:
        """What the equations follow from: the energy, the entropy, and the brackets of their two functions."""
        brackets = (form.density for form in (self.bracket, self.metric) if form is not None)
        return (self.hamiltonian, *(e for e in (self.entropy,) if e is not None), *brackets)

    @property
    def coordinates(self) -> tuple[sp.Symbol, ...]:
        return (t, *self.system.domain.axes)

    @property
    def axes(self) -> tuple[sp.Symbol, ...]:
        return self.system.domain.axes


def build_state(system: System) -> State:
    """Legendre transform, brackets, equations."""
    legendre = None
    lagrangian = None
    own: tuple[AppliedUndef, ...] = ()
    if system.lagrangian is not None:
        own = lagrangian_fields(system)
        check_names(system, own, [system.lagrangian], [])
        with blamed_on("lagrangian"):
            lagrangian = to_jets(system.lagrangian)
            legendre = transform(lagrangian, own, has_bracket=system.bracket is not None)
        fields, hamiltonian = legendre.state, legendre.hamiltonian
    else:
        fields = hamiltonian_fields(system)
        hamiltonian = to_jets(system.hamiltonian)
    if system.entropy is not None:
        check_functions(system, "entropy", system.entropy)
    entropy = None if system.entropy is None else to_jets(system.entropy)
    bracket, bracket_form = bracket_of(system, fields, legendre)
    metric, metric_form = (None, None)
    if system.metric is not None:
        metric, metric_form = build_form("metric", system.metric, fields)
    check_everything(system, fields, bracket_form, metric_form)
    with blamed_on("hamiltonian" if lagrangian is None else "lagrangian"):
        constrained = constrain(system, hamiltonian, fields)
        if constrained is None:
            covectors = functional_derivatives(hamiltonian, fields)
        else:
            covectors = tuple(constrained.bare(g) for g in functional_derivatives(constrained.density, fields))
    with blamed_on("entropy"):
        entropic = None if entropy is None else functional_derivatives(entropy, fields)
    return State(
        system=system,
        fields=fields,
        hamiltonian=hamiltonian,
        entropy=entropy,
        lagrangian=lagrangian,
        lagrangian_fields=own,
        momenta={} if legendre is None else legendre.momenta,
        velocities={} if legendre is None else legendre.velocities,
        covectors=covectors,
        entropic=entropic,
        bracket=bracket,
        bracket_form=bracket_form,
        metric=metric,
        metric_form=metric_form,
        rates=_rates(fields, bracket, metric, covectors, entropic),
        legendre=None if legendre is None else legendre.law,
        constrained=constrained,
    )


def functional_derivatives(density: sp.Expr, fields: tuple[AppliedUndef, ...]) -> tuple[sp.Expr, ...]:
    """dF/dz for every field, in jets."""
    gradients = gradient(density)
    return tuple(euler_of(gradients, u, u.args[1:]) for u in fields)


def _rates(
    fields: tuple[AppliedUndef, ...],
    bracket: Form | None,
    metric: Form | None,
    energy: tuple[sp.Expr, ...],
    entropy: tuple[sp.Expr, ...] | None,
) -> tuple[sp.Expr, ...] | None:
    """{z, H} + (z, S) with an entropy, {z, H} - (z, H) without; None where that is too large."""
    zero = (sp.S.Zero,) * len(fields)
    try:
        with limited(LAW):
            reversible = bracket.apply(energy) if bracket is not None else zero
            if metric is None:
                return reversible
            if entropy is not None:
                irreversible = metric.apply(entropy)
            else:
                irreversible = tuple(-rate for rate in metric.apply(energy))
            return tuple(tidy(a + b) for a, b in zip(reversible, irreversible, strict=True))
    except TooLarge:
        return None


def equations(state: State) -> tuple[sp.Expr, ...]:
    """dz/dt in the fields; where that is too large, with the derivatives of dH/dz left to be carried out."""
    if state.rates is not None:
        return tuple(from_jets(over_common(rate)) for rate in state.rates)
    zero = (sp.S.Zero,) * len(state.fields)
    reversible = zero if state.bracket is None else state.bracket.indicated(state.covectors)
    irreversible = zero
    if state.metric is not None:
        sign = -1 if state.entropic is None else 1
        driven = state.metric.indicated(state.covectors if state.entropic is None else state.entropic)
        irreversible = tuple(sign * rate for rate in driven)
    return tuple(a + b for a, b in zip(reversible, irreversible, strict=True))


def bracket_of(
    system: System, fields: tuple[AppliedUndef, ...], legendre: Legendre | None
) -> tuple[Form | None, Bilinear | None]:
    """The declared bracket; for a Lagrangian without one, the canonical one or the inverse symplectic matrix."""
    if system.bracket is not None:
        return build_form("bracket", system.bracket, fields)
    if legendre is None:
        return None, None
    pairs = legendre.momenta
    matrix = legendre.matrix

    def canonical(F: Functional, G: Functional) -> sp.Expr:
        return sp.Add(*(F[q] * G[p] - F[p] * G[q] for q, p in pairs.items()))

    def symplectic(F: Functional, G: Functional) -> sp.Expr:
        assert matrix is not None
        return sp.Add(
            *(
                F[u] * from_jets(c) * G[v]  # the matrix is in jets, a bracket is written in fields
                for u, row in zip(fields, matrix, strict=True)
                for v, c in zip(fields, row, strict=True)
            )
        )

    return build_form("bracket", canonical if matrix is None else symplectic, fields)


def check_everything(
    system: System, fields: tuple[AppliedUndef, ...], bracket: Bilinear | None, metric: Bilinear | None
) -> None:
    """Names and functions of every part of the system, now that the state is known."""
    forms = [form for form in (bracket, metric) if form is not None]
    parts = [(p, getattr(system, p)) for p in ("lagrangian", "hamiltonian", "entropy")]
    densities = [(part, value) for part, value in parts if value is not None]
    densities += [("constraints", value) for value in (system.constraints or {}).values()]
    densities += [("temperature", e) for e in (system.temperature,) if e is not None]
    characteristics = [
        ("symmetries", sp.sympify(q))
        for _, table in sorted((system.symmetries or {}).items())
        for _, q in sorted(table.items(), key=lambda item: str(item[0]))
    ]
    characteristics += [("casimirs", sp.sympify(density)) for _, density in sorted((system.casimirs or {}).items())]
    dt = system.dt
    steps = [] if dt is None else [sp.sympify(dt)]
    for part, value in (*densities, *characteristics):
        check_finite(part, value)
        check_functions(system, part, value)
    check_names(system, fields, [*(v for _, v in densities), *(v for _, v in characteristics), *steps], forms)
    for part, form in (("bracket", bracket), ("metric", metric)):
        if form is not None:
            _check_form_functions(system, fields, part, form)


def _check_form_functions(system: System, fields: tuple[AppliedUndef, ...], part: str, form: Bilinear) -> None:
    covectors = (*form.left, *form.right)
    check_functions(system, part, form.form)
    auxiliary = auxiliary_fields(system)
    for u in functions_in(form.form):
        if part == "bracket" and u in auxiliary:
            raise SpecError(
                f"{u} in bracket= is an auxiliary field",
                part="bracket",
                why="the Jacobi identity of a bracket with non-local coefficients is not tested",
                fix="write the bracket in the fields of the state alone",
                see="fields",
            )
        if u not in covectors and u not in fields and u not in auxiliary and not is_input(u):
            raise SpecError(
                f"{u} in {part}= is neither a field of the state nor an input",
                part=part,
                why="the state is " + ", ".join(map(str, fields)),
                fix=f"add it to fields=, or declare Input({u.func.__name__!r}, domain)",
                see="fields",
            )
