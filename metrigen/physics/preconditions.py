"""Does the method fit the system? What methods ask of one, each a refusal that says why, and which method fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.errors import SpecError
from metrigen.physics import channels
from metrigen.physics.derivation import Bilinear, Derivation
from metrigen.physics.jets import jet, jets_of, to_jets
from metrigen.physics.report import show
from metrigen.physics.variation import euler_jets
from metrigen.physics.work_budget import expand
from metrigen.physics.zero import is_zero
from metrigen.spec.contracts import Method
from metrigen.spec.domain import ANY
from metrigen.spec.neural import learned_functions
from metrigen.spec.symbols import Param, mix, t, total

Pair = tuple[AppliedUndef, AppliedUndef]
_IMPLICIT = (
    "ImplicitMidpoint keeps the symplectic form, AverageVectorField and DiscreteGradient the energy, of any H without "
    f"learned functions; {ANY}, and keep neither"
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
    """Raise SpecError where the method of a system does not run on its domain, or refuses the system itself."""
    method = derivation.system.integrator
    if method is None:
        return
    check_domain(derivation, method)
    derivation.system.domain.check_method(method, derivation)


def check_domain(derivation: Derivation, method: Method) -> None:
    """Raise SpecError where a method, or a part of that of a system, does not run on its domain."""
    domain = derivation.system.domain
    if not isinstance(domain, method.domains):
        raise unfit(derivation, *domain.unsteppable)
    if method.implicit and domain.unsolvable is not None:
        raise unfit(derivation, *domain.unsolvable)


def canonical_pairs(derivation: Derivation) -> tuple[Pair, ...] | None:
    """The pairs (q, p) with {q, p} = 1 that exhaust the state; None if the bracket does not pair the fields so."""
    structure = derivation.structure
    if derivation.momenta:
        return tuple(derivation.momenta.items())
    if structure.bracket is None:
        return None
    moves = rows(structure.bracket)
    # The row of q is that of p alone; the row of p may hold other momenta beside -q.
    found = [(u, v) for u, row in zip(structure.fields, moves, strict=True)
             for v, g in zip(structure.fields, structure.bracket.right, strict=True) if row == jet(g)]  # fmt: skip
    members = [u for pair in found for u in pair]
    # A field that the bracket does not move belongs to no pair: it takes up heat, or stands still.
    moved = [u for u, row in zip(structure.fields, moves, strict=True) if not row.is_zero]
    return tuple(found) if found and sorted(map(str, members)) == sorted(map(str, moved)) else None


def rows(form: Bilinear) -> list[sp.Expr]:
    """The rows of a bracket in jets: what multiplies dF/du, one for every field."""
    density = to_jets(form.form)
    return [euler_jets(density, f) for f in form.left]


def name_of(derivation: Derivation) -> str:
    """What the method of a system is called in messages."""
    return type(derivation.system.integrator).__name__


def unfit(derivation: Derivation, why: str, fix: str, witness: str | None = None) -> SpecError:
    """The error of a method that does not fit the system that names it."""
    what = f"{name_of(derivation)} does not fit this system"
    return SpecError(what, part="integrator", why=why, fix=fix, witness=witness, see="method-fit")


def explicit(derivation: Derivation) -> str | None:
    """What a way out names on a domain where no method is implicit; None where one may be."""
    return None if derivation.system.domain.unsolvable is None else ANY


def check_pairs(derivation: Derivation) -> tuple[Pair, ...]:
    """The canonical pairs; SpecError where there are none."""
    pairs = canonical_pairs(derivation)
    if pairs is None:
        what = "there is no Poisson bracket" if derivation.structure.bracket is None else "the bracket is not canonical"
        descent = "a gradient flow descends at any dt with AverageVectorField or DiscreteGradient; " + ANY
        raise unfit(
            derivation,
            f"{what}: {name_of(derivation)} alternates fields and their momenta",
            explicit(derivation) or (descent if derivation.structure.bracket is None else _IMPLICIT),
        )
    return pairs


def check_separable(derivation: Derivation, pairs: Sequence[Pair]) -> Separable:
    """H as T(p) + V(q); SpecError where a term holds both."""
    # An auxiliary field moves with the fields: it counts as one of them.
    structure = derivation.structure
    fields, momenta = [*(q for q, _ in pairs), *structure.constraints], [p for _, p in pairs]
    _check_auxiliary(derivation, momenta)
    parts = split(structure.hamiltonian, fields, momenta)
    if parts is None:
        culprit = next(
            term for term in sp.Add.make_args(expand(structure.hamiltonian)) if term.has(*fields) and term.has(*momenta)
        )
        raise unfit(
            derivation,
            f"the Hamiltonian is not separable into T(p) + V(q): {culprit} holds a field and a momentum",
            explicit(derivation) or _IMPLICIT,
        )
    return parts


def _check_auxiliary(derivation: Derivation, momenta: Sequence[AppliedUndef]) -> None:
    """Constraints on the momenta, and brackets that hold an auxiliary field, are beyond T(p) + V(q)."""
    structure = derivation.structure
    forms = [b.form for b in structure.forms.values()]
    for psi, residual in structure.constraints.items():
        held = next((p for p in momenta if residual.has(p)), None)
        if held is not None:
            raise unfit(
                derivation, f"{psi.func.__name__} is fixed by {held.func.__name__}, which moves in a drift", ANY
            )
        if any(form.has(psi) for form in forms):
            raise unfit(derivation, f"a bracket holds {psi.func.__name__}, which follows from the state", ANY)


def check_quadratic(derivation: Derivation, kinetic: sp.Expr, momenta: Sequence[AppliedUndef]) -> None:
    """Raise SpecError unless T = sum of a p^2/2, with a free of the state."""
    density = to_jets(kinetic)
    for p in momenta:
        speed = euler_jets(density, p)
        jets = jets_of(speed, *momenta)
        if any(j != jet(p) for j in jets) or jets_of(speed.diff(jet(p))) or channels.has_maps(speed):
            raise unfit(
                derivation,
                f"the velocity {show(speed)} of {p.func.__name__} is not a constant times the momentum",
                f"{name_of(derivation)} takes T = a*p**2/2 with a constant; {ANY}",
            )


def check_friction(derivation: Derivation, momenta: Sequence[AppliedUndef]) -> None:
    """Raise SpecError where a metric is more than gamma F[p] G[p], with gamma free of the state."""
    structure = derivation.structure
    metric = structure.metric
    if metric is None:
        return
    right = dict(zip(structure.fields, metric.right, strict=True))
    for u, row in zip(structure.fields, rows(metric), strict=True):
        if is_zero(row):
            continue
        weight = row.diff(jet(right[u])) if not channels.has_maps(row) else None
        if u not in momenta:
            raise unfit(
                derivation,
                f"the metric acts on {u.func.__name__}, which is not a momentum: {show(row)}",
                f"{name_of(derivation)} takes friction gamma*F[p]*G[p]; {ANY}",
            )
        linear = weight is not None and is_zero(row - weight * jet(right[u]))
        if not linear or jets_of(weight, *structure.fields):
            raise unfit(
                derivation,
                f"the metric is not linear friction on {u.func.__name__}: {show(row)}",
                f"{name_of(derivation)} takes gamma*F[p]*G[p] with gamma free of the state; {ANY}",
            )


def pointwise_stiffness(potential: sp.Expr, q: AppliedUndef) -> sp.Expr:
    """k of the term k q^2/2 of a density, with k free of fields and the same at every site."""
    parts = [term / q**2 for term in sp.Add.make_args(expand(potential))]
    return 2 * sp.Add(*(k for k in parts if everywhere(k) and not k.free_symbols & set(q.args)))


def everywhere(value: sp.Expr) -> bool:
    """Whether a value is the same at every site and state: made of numbers and of parameters per scalar or channel. One
    a sample is an array of sites to a layer."""
    if value.has(AppliedUndef, sp.Derivative, mix, total) or learned_functions(value):
        return False
    return all(s != t and (s.per not in ("site", "sample") and not s.is_matrix if isinstance(s, Param) else True)
               for s in value.free_symbols)  # fmt: skip
