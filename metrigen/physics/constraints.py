"""Energies that depend on the state through an auxiliary field: psi is fixed by an elliptic constraint C(psi, z) = 0.

With the multipliers chi_k of A = int h + sum_k chi_k C_k,

    dA/dpsi_l = E_{psi_l}(h) + sum_k (dC_k/dpsi_l)^* chi_k = 0       determines chi
    dH/dz     = E_z(h) + sum_k (dC_k/dz)^* chi_k

chi is sought as chi_k = sum_m a_km psi_m + b_k with a, b free of the coordinates and the fields, such that
dA/dpsi_l = sum_k e_lk C_k identically: zero wherever the constraints hold. This finds every energy that is quadratic in
the auxiliary fields of a self-adjoint constraint. A multiplier that is a field of its own is given as one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.errors import SpecError
from metrigen.physics import channels, linear
from metrigen.physics.clock import is_timed
from metrigen.physics.jets import Jet, jet, jets_of, to_jets
from metrigen.physics.operators import replacement
from metrigen.physics.report import show, violation
from metrigen.physics.variation import diff_along, euler_of, gradient, tidy
from metrigen.physics.vocabulary import check_field, check_functions, functions_in, is_input
from metrigen.physics.zero import Zero, every, zero_test
from metrigen.spec.symbols import t
from metrigen.spec.system import System


@dataclass(frozen=True)
class Constrained:
    """The auxiliary fields of a system, in jets.

    fields       auxiliary fields psi_k
    residuals    C_k, zero in every state
    stand_ins    functions chi_k that stand for the multipliers in ``density``
    multipliers  what they are
    density      h + sum_k chi_k C_k
    test         how dA/dpsi = sum e C was verified
    """

    fields: tuple[AppliedUndef, ...]
    residuals: tuple[sp.Expr, ...]
    stand_ins: tuple[AppliedUndef, ...]
    multipliers: tuple[sp.Expr, ...]
    density: sp.Expr
    test: Zero

    def bare(self, expr: sp.Expr) -> sp.Expr:
        """An expression with the multipliers written out."""
        return tidy(expr.xreplace(replacement(self.stand_ins, self.multipliers, [expr])))


def auxiliary_fields(system: System) -> tuple[AppliedUndef, ...]:
    """The auxiliary fields of a system, in the order of ``constraints=``, each checked to be a field of its domain."""
    return tuple(system.constraints or {})


def constrain(system: System, hamiltonian: sp.Expr, fields: Sequence[AppliedUndef]) -> Constrained | None:
    """Find the multipliers; None for a system without constraints. ``hamiltonian`` is in jets."""
    if not system.constraints:
        return None
    auxiliary = auxiliary_fields(system)
    inside = [psi for psi in auxiliary if system.entropy is not None and system.entropy.has(psi)]
    if inside:
        raise SpecError(
            f"the entropy depends on the auxiliary field {inside[0].func.__name__}",
            part="entropy",
            why="only the energy is varied through the constraint",
            fix="write the entropy in the fields of the state",
            see="constraints",
        )
    residuals = tuple(_residual(system, psi, fields, auxiliary) for psi in auxiliary)
    stand_ins = tuple(sp.Function(f"chi:{psi.func.__name__}", real=True)(*psi.args) for psi in auxiliary)
    density = hamiltonian + sp.Add(*(jet(chi) * c for chi, c in zip(stand_ins, residuals, strict=True)))
    multipliers, test = _multipliers(auxiliary, residuals, stand_ins, density)
    return Constrained(auxiliary, residuals, stand_ins, multipliers, density, test)


def _residual(
    system: System, psi: AppliedUndef, fields: Sequence[AppliedUndef], auxiliary: Sequence[AppliedUndef]
) -> sp.Expr:
    assert system.constraints is not None
    name = psi.func.__name__
    check_field(system, psi)
    if psi in fields:
        raise SpecError(
            f"{psi} is both a field of the state and fixed by a constraint",
            part="constraints",
            fix=f"leave {name} out of fields=: it follows from the state",
            see="constraints",
        )
    value = system.constraints[psi]
    check_functions(system, "constraints", value)
    unknown = [u for u in functions_in(value) if u not in fields and u not in auxiliary and not is_input(u)]
    if unknown:
        raise SpecError(
            f"{unknown[0]} in the constraint of {name} is no field of the system",
            part="constraints",
            why="a constraint holds fields of the state, auxiliary fields and inputs",
            fix=f"add it to fields=, or declare Input({unknown[0].func.__name__!r}, domain, time_dependent=True)",
            see="constraints",
        )
    if is_timed(value):
        raise SpecError(
            f"the constraint of {name} depends on the time",
            part="constraints",
            why=f"{name} would move at a fixed state, and its part of the explicit dH/dt is not worked out",
            fix=f"carry t into the energy where the constraint is linear, {name} = cos(w*t)*phi with phi free of t, or "
            'hand the source in, Input("rho", domain)',
            see="constraints",
        )
    residual = to_jets(value)
    if any(j.order_in(t) for j in jets_of(residual)):
        raise SpecError(
            f"the constraint of {name} contains a time derivative",
            part="constraints",
            why="a constraint fixes the auxiliary field from the state at one moment",
            fix="derivatives along the axes alone; what evolves belongs into fields=",
            see="constraints",
        )
    if not jets_of(residual, psi):
        raise SpecError(
            f"the constraint of {name} does not contain {name}",
            part="constraints",
            why=f"its residual is {show(residual)}",
            fix="write constraints={psi: psi.diff(x, 2) - omega} for psi_xx = omega",
            see="constraints",
        )
    return residual


def _multipliers(
    auxiliary: Sequence[AppliedUndef],
    residuals: Sequence[sp.Expr],
    stand_ins: Sequence[AppliedUndef],
    density: sp.Expr,
) -> tuple[tuple[sp.Expr, ...], Zero]:
    gradients = gradient(density)
    slopes = [euler_of(gradients, psi, psi.args[1:]) for psi in auxiliary]
    candidates = [*(jet(psi) for psi in auxiliary), sp.S.One]
    # One column per unknown: a_km acts on every slope through chi_k, e_lk on slope l alone.
    nothing = dict.fromkeys(stand_ins, sp.S.Zero)
    columns = []
    for chi in stand_ins:
        for candidate in candidates:
            columns.append([_with(slope, {**nothing, chi: candidate}, base=True) for slope in slopes])
    for l in range(len(slopes)):
        columns += [[-c if i == l else sp.S.Zero for i in range(len(slopes))] for c in residuals]
    base = [_with(slope, nothing) for slope in slopes]
    found = _solve(columns, base)
    if found is None:
        raise _no_multiplier(auxiliary, slopes)
    width = len(candidates)
    multipliers = tuple(
        sp.Add(*(a * c for a, c in zip(found[k * width : (k + 1) * width], candidates, strict=True)))
        for k in range(len(stand_ins))
    )
    left = [_with(slope, dict(zip(stand_ins, multipliers, strict=True))) for slope in slopes]
    weights = found[width * len(stand_ins) :]
    count = len(residuals)
    right = [
        sp.Add(*(e * c for e, c in zip(weights[l * count : (l + 1) * count], residuals, strict=True)))
        for l in range(len(slopes))
    ]
    test = every(zero_test(a - b) for a, b in zip(left, right, strict=True))
    if not test:
        raise _no_multiplier(auxiliary, slopes)
    return multipliers, test


def _with(slope: sp.Expr, values: dict[AppliedUndef, sp.Expr], *, base: bool = False) -> sp.Expr:
    """A slope with values for the stand-ins; ``base``: only what these values add to it."""
    table = replacement(list(values), list(values.values()), [slope])
    value = slope.xreplace(table)
    return tidy(value - slope.xreplace(dict.fromkeys(table, sp.S.Zero)) if base else value)


def _solve(columns: Sequence[Sequence[sp.Expr]], base: Sequence[sp.Expr]) -> list[sp.Expr] | None:
    """x with base + sum_j x_j columns_j = 0, by comparing the coefficients of every product of jets."""
    rows: dict[tuple[int, sp.Expr], list[sp.Expr]] = {}
    for place, column in enumerate([*columns, base]):
        for l, entry in enumerate(column):
            for term in sp.Add.make_args(sp.expand(entry)):
                c, product = term.as_independent(Jet, *channels.MAPS, *_coordinates(entry), as_Add=False)
                row = rows.setdefault((l, product), [sp.S.Zero] * (len(columns) + 1))
                row[place] += c
    return linear.solution([row[:-1] for row in rows.values()], [-row[-1] for row in rows.values()])


def _coordinates(expr: sp.Expr) -> list[sp.Symbol]:
    return sorted({x for j in jets_of(expr) for x in j.base.args} & expr.free_symbols, key=lambda x: x.name)


def _no_multiplier(auxiliary: Sequence[AppliedUndef], slopes: Sequence[sp.Expr]) -> SpecError:
    names = ", ".join(psi.func.__name__ for psi in auxiliary)
    conditions = "; ".join(f"{_shown(slope)} = 0" for slope in slopes)
    return SpecError(
        f"the energy depends on {names}, and its derivative through the constraint is not known in closed form",
        part="constraints",
        why=f"the multiplier chi of the constraint obeys {conditions}, and is no combination of {names}",
        fix="write the part of the energy that holds the auxiliary field as the quadratic form of its constraint "
        "(grad(psi).square/2 for lap psi = omega), or declare the multiplier as a further auxiliary field whose "
        "constraint is this equation",
        see="constraints",
    )


def _shown(slope: sp.Expr) -> str:
    """A slope in fields, the stand-in of a multiplier written chi_psi."""
    table = {
        j: Jet(sp.Function(j.base.func.__name__.replace("chi:", "chi_"), real=True)(*j.base.args), j.orders)
        for j in jets_of(slope)
        if j.base.func.__name__.startswith("chi:")
    }
    return show(slope.xreplace(table))


def eliminated(constrained: Constrained, fields: Sequence[AppliedUndef]) -> dict[AppliedUndef, sp.Expr]:
    """Fields of the state written in the auxiliary ones: u = (c u - C)/c where C is algebraic and linear in u.

    Every constraint that allows it gives one field; none is used to express another.
    """
    out: dict[AppliedUndef, sp.Expr] = {}
    for residual in constrained.residuals:
        for u in fields:
            jets = jets_of(residual, *fields)
            c = residual.diff(jet(u))
            if jets == [jet(u)] and not channels.has_maps(residual) and not jets_of(c) and c.is_nonzero:
                out.setdefault(u, tidy(jet(u) - residual / c))
                break
    return out


def substituted(expr: sp.Expr, table: dict[AppliedUndef, sp.Expr]) -> sp.Expr:
    """An expression in jets with fields replaced by expressions, derivatives carried out."""
    return expr.xreplace({j: diff_along(table[j.base], j.directions()) for j in jets_of(expr, *table)})


def check_power(
    constrained: Constrained, fields: Sequence[AppliedUndef], covectors: Sequence[sp.Expr], rates: Sequence[sp.Expr]
) -> Zero | None:
    """int dH.J dH = 0 on the constraint: u = L psi put in, the Euler operator in every field that remains vanishes.

    ``rates`` are those of the bracket alone. None where no field can be put in.
    """
    table = eliminated(constrained, fields)
    if not table:
        return None
    power = substituted(tidy(sp.Add(*(g * r for g, r in zip(covectors, rates, strict=True)))), table)
    gradients = gradient(tidy(power))
    left = dict.fromkeys(j.base for j in gradients if t in j.base.args)
    residuals = [euler_of(gradients, u, u.args[1:]) for u in left]
    test = every(zero_test(r) for r in residuals)
    if not test:
        bad = next(r for r in residuals if not zero_test(r))
        raise violation(
            "the energy is not constant on the constraint",
            law="noether",
            residual=bad,
            part="bracket",
            why=f"int dH.J dH, the constraint put in and varied, is {show(bad)}",
        )
    return test
