"""Does the integrator fit the system? Refusals say why, and which integrator does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.errors import SpecError
from metrigen.physics import channels
from metrigen.physics.derivation import Bilinear, Derivation
from metrigen.physics.effort import expand
from metrigen.physics.heat import friction_with_heat
from metrigen.physics.jets import from_jets, jet, jets_of, to_jets
from metrigen.physics.parts import bracket_part, metric_part
from metrigen.physics.report import show
from metrigen.physics.rotation import misfit, remainder
from metrigen.physics.variation import euler_jets
from metrigen.physics.zero import is_zero
from metrigen.spec import domain as spec_domain
from metrigen.spec.neural import heads
from metrigen.spec.symbols import Param, mix, t, total

Pair = tuple[AppliedUndef, AppliedUndef]
_ANY = "RK4 or ExplicitEuler take any right-hand side"
_IMPLICIT = (
    "ImplicitMidpoint keeps the symplectic form, AverageVectorField and DiscreteGradient the energy, of any H without "
    f"learned functions; {_ANY}, and keep neither"
)


@dataclass(frozen=True)
class Separable:
    """H = kinetic(p) + potential(q), as densities in the fields."""

    kinetic: sp.Expr
    potential: sp.Expr


def split(hamiltonian: sp.Expr, q_fields: Sequence[AppliedUndef], p_fields: Sequence[AppliedUndef]) -> Separable | None:
    """T(p) and V(q) of a separable density; None if a term holds a field and a momentum."""
    kinetic: list[sp.Expr] = []
    potential: list[sp.Expr] = []
    for term in sp.Add.make_args(expand(hamiltonian)):
        if term.has(*p_fields) and term.has(*q_fields):
            return None
        (kinetic if term.has(*p_fields) else potential).append(term)
    return Separable(sp.Add(*kinetic), sp.Add(*potential))


def check_integrator(derivation: Derivation) -> None:
    """Raise SpecError where the chosen integrator does not fit. One rule per method; the others take any system."""
    method = type(derivation.system.integrator).__name__
    if isinstance(derivation.system.domain, spec_domain.Sequence):
        if method not in ("NoneType", "Exponential"):
            raise _unfit(method, "a token of a Sequence is one exact step of linear dynamics", "Exponential()")
        return
    rule = _RULES.get(method)
    if rule is not None:
        rule(derivation)


def canonical_pairs(derivation: Derivation) -> tuple[Pair, ...] | None:
    """The pairs (q, p) with {q, p} = 1 that exhaust the state; None if the bracket does not pair the fields so."""
    if derivation.momenta:
        return tuple(derivation.momenta.items())
    if derivation.bracket is None:
        return None
    rows = _rows(derivation.bracket)
    # The row of q is that of p alone; the row of p may hold other momenta beside -q.
    found = [(u, v) for u, row in zip(derivation.fields, rows, strict=True)
             for v, g in zip(derivation.fields, derivation.bracket.right, strict=True) if row == jet(g)]  # fmt: skip
    members = [u for pair in found for u in pair]
    # A field that the bracket does not move belongs to no pair: it takes up heat, or stands still.
    moved = [u for u, row in zip(derivation.fields, rows, strict=True) if not row.is_zero]
    return tuple(found) if found and sorted(map(str, members)) == sorted(map(str, moved)) else None


def _rows(form: Bilinear) -> list[sp.Expr]:
    density = to_jets(form.form)
    return [euler_jets(density, f) for f in form.left]


def _unfit(method: str, why: str, fix: str, witness: str | None = None) -> SpecError:
    return SpecError(f"{method} does not fit this system", part="integrator", why=why, fix=fix, witness=witness)


def _leapfrog(derivation: Derivation) -> None:
    method = type(derivation.system.integrator).__name__
    if derivation.metric is not None:
        raise _unfit(
            method,
            f"{method} has no friction, and the system has a metric bracket",
            f"Strang(...) takes linear friction on the momenta; {_ANY}",
        )
    pairs = _pairs(derivation, method)
    if remainder(derivation, pairs):
        raise _unfit(
            method,
            "the bracket is not canonical: it holds more than F[q]*G[p] - F[p]*G[q]",
            f"Strang(...) takes a rotation of the momenta, F[p]*mix(B, G[p]) or w*(F[p]*G[r] - F[r]*G[p]); {_ANY}",
        )
    _separable(derivation, pairs, method)


def _composed(derivation: Derivation) -> None:
    """Each part of a composition has to fit what is left to it."""
    half, whole = derivation.system.integrator.parts
    missing = [name for name, part in (("bracket", derivation.bracket), ("metric", derivation.metric)) if part is None]
    if missing:
        raise _unfit(
            "Strang",
            f"it splits a bracket from a metric, and there is no {missing[0]}",
            f"the integrator of the other part alone: {type(whole if missing[0] == 'bracket' else half).__name__}",
        )
    for name, part in (("bracket", bracket_part(derivation, half)), ("metric", metric_part(derivation, whole))):
        try:
            check_integrator(part)
        except SpecError as error:
            method = type(part.system.integrator).__name__
            raise _unfit("Strang", f"{name}={method} does not fit that part: {error.why}", str(error.fix)) from error


def _strang(derivation: Derivation) -> None:
    if derivation.system.integrator.parts is not None:
        _composed(derivation)
        return
    pairs = _pairs(derivation, "Strang")
    parts = _separable(derivation, pairs, "Strang")
    _check_quadratic(parts.kinetic, [p for _, p in pairs])
    unfit = misfit(derivation, pairs, parts.kinetic)
    if unfit is not None:
        raise _unfit("Strang", unfit[0], f"{unfit[1]}; {_ANY}")
    if derivation.system.entropy is not None:
        friction_with_heat(derivation, pairs)
    else:
        _check_friction(derivation, [p for _, p in pairs])


def _pairs(derivation: Derivation, method: str) -> tuple[Pair, ...]:
    pairs = canonical_pairs(derivation)
    if pairs is None:
        what = "there is no Poisson bracket" if derivation.bracket is None else "the bracket is not canonical"
        fix = "a gradient flow descends at any dt with AverageVectorField or DiscreteGradient; " + _ANY
        raise _unfit(
            method,
            f"{what}: {method} alternates fields and their momenta",
            fix if derivation.bracket is None else _IMPLICIT,
        )
    return pairs


def _separable(derivation: Derivation, pairs: Sequence[Pair], method: str) -> Separable:
    # An auxiliary field moves with the fields: it counts as one of them.
    fields, momenta = [*(q for q, _ in pairs), *derivation.constraints], [p for _, p in pairs]
    _check_auxiliary(derivation, momenta, method)
    parts = split(derivation.hamiltonian, fields, momenta)
    if parts is None:
        culprit = next(
            term
            for term in sp.Add.make_args(expand(derivation.hamiltonian))
            if term.has(*fields) and term.has(*momenta)
        )
        raise _unfit(
            method,
            f"the Hamiltonian is not separable into T(p) + V(q): {culprit} holds a field and a momentum",
            _IMPLICIT,
        )
    return parts


def _check_auxiliary(derivation: Derivation, momenta: Sequence[AppliedUndef], method: str) -> None:
    """Constraints on the momenta, and brackets that hold an auxiliary field, are beyond T(p) + V(q)."""
    forms = [b.form for b in (derivation.bracket, derivation.metric) if b is not None]
    for psi, residual in derivation.constraints.items():
        held = next((p for p in momenta if residual.has(p)), None)
        if held is not None:
            raise _unfit(method, f"{psi.func.__name__} is fixed by {held.func.__name__}, which moves in a drift", _ANY)
        if any(form.has(psi) for form in forms):
            raise _unfit(method, f"a bracket holds {psi.func.__name__}, which follows from the state", _ANY)


def _check_quadratic(kinetic: sp.Expr, momenta: Sequence[AppliedUndef], method: str = "Strang") -> None:
    density = to_jets(kinetic)
    for p in momenta:
        speed = euler_jets(density, p)
        jets = jets_of(speed, *momenta)
        if any(j != jet(p) for j in jets) or jets_of(speed.diff(jet(p))) or channels.has_maps(speed):
            raise _unfit(
                method,
                f"the velocity {show(speed)} of {p.func.__name__} is not a constant times the momentum",
                f"{method} takes T = a*p**2/2 with a constant; {_ANY}",
            )


def _check_friction(derivation: Derivation, momenta: Sequence[AppliedUndef], method: str = "Strang") -> None:
    metric = derivation.metric
    if metric is None:
        return
    right = dict(zip(derivation.fields, metric.right, strict=True))
    for u, row in zip(derivation.fields, _rows(metric), strict=True):
        if is_zero(row):
            continue
        weight = row.diff(jet(right[u])) if not channels.has_maps(row) else None
        if u not in momenta:
            raise _unfit(
                method,
                f"the metric acts on {u.func.__name__}, which is not a momentum: {show(row)}",
                f"{method} takes friction gamma*F[p]*G[p]; {_ANY}",
            )
        linear = weight is not None and is_zero(row - weight * jet(right[u]))
        if not linear or jets_of(weight, *derivation.fields):
            raise _unfit(
                method,
                f"the metric is not linear friction on {u.func.__name__}: {show(row)}",
                f"{method} takes gamma*F[p]*G[p] with gamma free of the state; {_ANY}",
            )


def _steady(derivation: Derivation) -> None:
    """SteadyState solves dF = 0: it needs a gradient flow whose F is quadratic and positive definite."""
    system, steady = derivation.system, derivation.steady_state
    if derivation.constraints:
        auxiliary = ", ".join(psi.func.__name__ for psi in derivation.constraints)
        why = f"the free energy holds {auxiliary} of an elliptic constraint, and dF = 0 would be a solve inside a solve"
        raise _unfit("SteadyState", why, "step in time with RK4 or ExplicitEuler")
    metric_form = () if derivation.metric is None else (derivation.metric.form,)
    names = [head.name for head in heads(derivation.hamiltonian, *metric_form)]
    if names:
        raise _unfit(
            "SteadyState",
            f"its solve is one operator with an implicit gradient, and an operator cannot hold a module: {names[0]}",
            f"apply the module before the layer and hand its values in as an Input, or step in time; {_ANY}",
        )
    gradient_flow = "give hamiltonian=F and metric=Dissipation((1, lambda F: F[u])) alone"
    if derivation.bracket is not None:
        raise _unfit(
            "SteadyState",
            "beside a Poisson bracket the operator of the steady state is not symmetric, and conjugate gradients need "
            "a symmetric one",
            f"{gradient_flow}, or step in time with Strang or RK4",
        )
    if system.entropy is not None or steady is None or derivation.metric is None:
        raise _unfit("SteadyState", "the steady state of an entropy is not the minimum of a free energy", gradient_flow)
    metric = to_jets(derivation.metric.form)
    if any(j.order for j in jets_of(metric, *derivation.metric.left, *derivation.metric.right)):
        raise _unfit(
            "SteadyState",
            "the metric contains derivatives: it conserves constants, so the flow stops before dF = 0",
            "use an order-zero metric, Dissipation((1, lambda F: F[u])), or step in time",
        )
    for u, row in zip(derivation.fields, _rows(derivation.metric), strict=True):
        if is_zero(row):
            raise _unfit("SteadyState", f"the metric does not act on {u.func.__name__}", gradient_flow)
    newton = system.integrator.solver == "newton"
    if not steady.linear and not (newton and steady.convex):
        descend = "step in time: DiscreteGradient and AverageVectorField descend at any dt"
        why = f"the free energy is not quadratic: {steady.detail}"
        if newton:
            why = f"the free energy is not known to be convex, so dF = 0 may have many solutions; {steady.why_not}"
            descend = f"declare the coefficients of F positive or nonnegative, or {descend}"
        elif steady.convex:
            descend = f'SteadyState(solver="newton"), since F is convex, or {descend}'
        raise _unfit("SteadyState", why, descend, (newton and steady.witness) or None)
    if steady.convex:
        return
    if not steady.spd:
        raise _unfit(
            "SteadyState",
            f"the operator of dF = 0 is not known to be positive definite; {steady.detail}",
            'declare the screening positive, Input("m2", grid, positive=True) or Param("m2", positive=True), and every '
            "coefficient of a squared derivative nonnegative",
            steady.witness or None,
        )


def pointwise_stiffness(potential: sp.Expr, q: AppliedUndef) -> sp.Expr:
    """k of the term k q^2/2 of a density, with k free of fields and the same at every site."""
    parts = [term / q**2 for term in sp.Add.make_args(expand(potential))]
    return 2 * sp.Add(*(k for k in parts if _everywhere(k) and not k.free_symbols & set(q.args)))


def _everywhere(value: sp.Expr) -> bool:
    """Made of numbers and of parameters per scalar or channel."""
    if value.has(AppliedUndef, sp.Derivative, mix, total) or heads(value):
        return False
    return all(s != t and (s.per != "site" and not s.is_matrix if isinstance(s, Param) else True)
               for s in value.free_symbols)  # fmt: skip


def _exponential(derivation: Derivation) -> None:
    """Pairs with T = a p^2/2 and linear friction, whose coefficients are those of every site."""
    if derivation.system.entropy is not None:
        raise _unfit("Exponential", "the friction of a two-generator system heats a field", "Strang keeps that account")
    pairs = _pairs(derivation, "Exponential")
    for u, rest in remainder(derivation, pairs):
        why = f"the bracket is not canonical: the row of {u.func.__name__} also holds {show(rest)}"
        raise _unfit("Exponential", why, f"Strang(...) takes a rotation of the momenta; {_ANY}")
    momenta = [p for _, p in pairs]
    parts = _separable(derivation, pairs, "Exponential")
    _check_quadratic(parts.kinetic, momenta, "Exponential")
    _check_friction(derivation, momenta, "Exponential")
    places = {*derivation.system.domain.axes}
    rates = [euler_jets(to_jets(parts.kinetic), p).diff(jet(p)) for p in momenta]
    if derivation.metric is not None:
        right = dict(zip(derivation.fields, derivation.metric.right, strict=True))
        rates += [row.diff(jet(right[u])) for u, row in zip(derivation.fields, _rows(derivation.metric), strict=True)]
    for value in map(from_jets, rates):
        if not _everywhere(value) or value.free_symbols & places:
            raise _unfit(
                "Exponential",
                f"the coefficient {show(value)} changes from site to site, and the flow of a site is worked out once",
                "Strang(...) takes friction that changes from site to site",
            )


def _implicit(derivation: Derivation) -> None:
    """An implicit step is differentiated by its equation, which sees arrays: fields, inputs and parameters."""
    method = type(derivation.system.integrator).__name__
    forms = [b.form for b in (derivation.bracket, derivation.metric) if b is not None]
    entropy = [e for e in (derivation.system.entropy,) if e is not None]
    names = [head.name for head in heads(derivation.hamiltonian, *forms, *entropy)]
    if names:
        raise _unfit(
            method,
            f"its step is the solution of an equation with an implicit gradient, which cannot reach the weights of the "
            f"module {names[0]}",
            "Strang or Leapfrog where H = T(p) + V(q), or RK4",
        )


def _average(derivation: Derivation) -> None:
    _implicit(derivation)
    kinks = sorted(
        {f.func.__name__ for f in derivation.hamiltonian.atoms(sp.Abs, sp.Max, sp.Min, sp.sign, sp.Heaviside)}
    )
    if kinks:
        why = f"the average of dH over a step is a quadrature, which is not exact across the kink of {kinks[0]}"
        raise _unfit("AverageVectorField", why, "DiscreteGradient, which has the exact difference quotient of a kink")
    if derivation.system.entropy is not None:
        raise _unfit(
            "AverageVectorField",
            "with an entropy the energy is kept by M dH = 0, which the average of dH does not obey with M at zbar",
            "DiscreteGradient builds M from its discrete gradient: H to rounding, S never falls",
        )


_RULES: dict[str, Callable[[Derivation], None]] = {
    "AverageVectorField": _average,
    "DiscreteGradient": _implicit,
    "Exponential": _exponential,
    "ImplicitMidpoint": _implicit,
    "Leapfrog": _leapfrog,
    "SymplecticEuler": _leapfrog,
    "Strang": _strang,
    "SteadyState": _steady,
}
