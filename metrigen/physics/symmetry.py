"""Currents of declared symmetries: u_a -> u_a + eps Q_a leaves the action unchanged up to a divergence.

pr v_Q L = D_mu K^mu   =>   J^mu = J_L^mu - K^mu ,   D_mu J^mu + Q_a E_a = 0 off shell
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.errors import SpecError
from metrigen.physics import channels, linear, noether
from metrigen.physics.derivation import Law
from metrigen.physics.jets import jet, jets_of, to_jets
from metrigen.physics.partials import Partials
from metrigen.physics.report import identity, multiplied_out, show, violation, witness
from metrigen.physics.size import TooLarge
from metrigen.physics.state import State
from metrigen.physics.variation import diff_jets, euler_of, gradient, tidy
from metrigen.physics.work_budget import LAW, expand, limited
from metrigen.physics.zero import Zero, every, is_zero, zero_test
from metrigen.spec.symbols import t

Characteristic = Mapping[AppliedUndef, sp.Expr]
Current = dict[sp.Symbol, sp.Expr]


def currents(state: State) -> tuple[dict[str, tuple[sp.Expr, ...]], Law | None]:
    """(J^t, J^x, ...) of every declared symmetry, each verified off shell."""
    declared = state.system.symmetries
    if not declared:
        return {}, None
    out: dict[str, tuple[sp.Expr, ...]] = {}
    tests: list[Zero] = []
    left_out: list[str] = []
    with limited(LAW):
        try:
            lagrangian, fields = action(state)
        except TooLarge as error:
            return {}, Law("noether", "sampled", f"the currents are not derived: {error.short}")
        for name in declared:
            q = _characteristic(name, declared[name], fields)
            try:
                current, test = noether_current(name, lagrangian, q, fields, state.coordinates)
            except TooLarge as error:
                left_out.append(f"the current of {name} is not derived: {error.short}")
                continue
            out[name] = tuple(current[mu] for mu in state.coordinates)
            tests.append(test)
    if left_out:
        return out, Law("noether", "sampled", "; ".join(left_out))
    return out, identity("noether", f"D_mu J^mu = -Q_a E_a checked off shell for {', '.join(out)}", every(tests))


def action(state: State) -> tuple[sp.Expr, tuple[AppliedUndef, ...]]:
    """The Lagrangian that Noether's theorem is applied to: the declared one; L = -F of a gradient flow; the
    first-order L = z.Omega z_t/2 - H of a constant invertible bracket Omega^-1."""
    if state.lagrangian is not None:
        return state.lagrangian, state.lagrangian_fields
    if state.constrained is not None:
        raise SpecError(
            "symmetries= does not go with constraints=",
            part="symmetries",
            why="the current would hold the multiplier of the constraint, which a symmetry of the state does not move",
            fix="check the conserved quantity by its own bracket with the Hamiltonian",
            see="symmetries",
        )
    if state.bracket is None:
        return -state.hamiltonian, state.fields
    form, fields = state.bracket, state.fields
    refusal = SpecError(
        "symmetries= needs a Lagrangian, or a bracket that is constant and invertible",
        part="symmetries",
        why="the current of a symmetry comes from the variation of an action",
        fix="give lagrangian=, or check the conserved quantity by its own bracket with the Hamiltonian",
        see="symmetries",
    )
    if not form.constant() or channels.has_maps(form.density) or any(j.order for j in jets_of(form.density)):
        raise refusal
    matrix = [[Partials(row).along(jet(g)) for g in form.right] for row in form.rows]
    if linear.singular(matrix):
        raise refusal
    # Omega z_t = dH/dz is the Euler-Lagrange equation of z.Omega z_t/2 - H, Omega being skew.
    terms = []
    for u, row in zip(fields, linear.inverse(matrix), strict=True):
        terms += [sp.Rational(1, 2) * jet(u) * c * jet(v, t) for v, c in zip(fields, row, strict=True)]
    return sp.Add(*terms) - state.hamiltonian, fields


def _characteristic(name: str, table: Mapping[AppliedUndef, sp.Expr], fields: Sequence[AppliedUndef]) -> Characteristic:
    for u in table:
        if u not in fields:
            raise SpecError(
                f"symmetry {name!r} moves {u}, which is not a field of the action",
                part="symmetries",
                fix="its fields are " + ", ".join(map(str, fields)),
                see="symmetries",
            )
    return {u: to_jets(sp.sympify(table.get(u, 0))) for u in fields}


def noether_current(
    name: str,
    lagrangian: sp.Expr,
    q: Characteristic,
    fields: Sequence[AppliedUndef],
    coordinates: Sequence[sp.Symbol],
) -> tuple[Current, Zero]:
    """J^mu and how it was verified. Raises StructureError(law="noether") with the defect pr v_Q L if Q is no
    symmetry."""
    change = noether.prolong(lagrangian, q)
    moved = gradient(change)
    for u in dict.fromkeys(j.base for j in moved):
        residual = euler_of(moved, u, tuple(x for x in u.args))
        if not is_zero(residual):
            defect = multiplied_out(change)
            raise violation(
                f"{name!r} is not a symmetry of the action",
                law="noether",
                residual=defect,
                part="symmetries",
                why=f"the Lagrangian changes by {show(defect)}, which is not a total derivative",
                witness=witness(residual),
                fix="correct the characteristic, or drop the symmetry",
            )
    raw = noether.by_parts(gradient(lagrangian), q, coordinates)
    boundary = divergence_potential(change, lagrangian, q, fields, coordinates)
    current = {mu: tidy(raw[mu] - boundary[mu]) for mu in coordinates}
    gradients = gradient(lagrangian)
    defect = sp.Add(
        *(diff_jets(current[mu], mu) for mu in coordinates),
        *(q[u] * euler_of(gradients, u, tuple(coordinates)) for u in fields),
    )
    verified = zero_test(defect, summed=True)
    if not verified:
        raise violation(
            f"the current of {name!r} could not be verified",
            law="noether",
            residual=multiplied_out(defect),
            part="symmetries",
            why="the change of the Lagrangian is a divergence, but not of a polynomial that this compiler finds",
        )
    return current, verified


def divergence_potential(
    change: sp.Expr,
    lagrangian: sp.Expr,
    q: Characteristic,
    fields: Sequence[AppliedUndef],
    coordinates: Sequence[sp.Symbol],
) -> Current:
    """K^mu with D_mu K^mu = change: zero, L carried along xi, or the homotopy over the degree in the fields."""
    zero = dict.fromkeys(coordinates, sp.S.Zero)
    if is_zero(change, summed=True):
        return zero
    moved = {mu: _velocity(q, mu) * lagrangian for mu in coordinates}
    if is_zero(change - sp.Add(*(diff_jets(moved[mu], mu) for mu in coordinates)), summed=True):
        return moved
    return _homotopy(change, fields, coordinates)


def _velocity(q: Characteristic, mu: sp.Symbol) -> sp.Expr:
    """xi^mu of a characteristic Q = xi^nu u_nu + ...: translations, rotations, boosts."""
    for u, value in q.items():
        xi = value.diff(jet(u, mu))
        if not jets_of(xi):
            return xi
    return sp.S.Zero


def _homotopy(change: sp.Expr, fields: Sequence[AppliedUndef], coordinates: Sequence[sp.Symbol]) -> Current:
    """A term of degree n in the fields: by parts with Q = u, divided by n; of degree 0: integrate along an axis."""
    out = dict.fromkeys(coordinates, sp.S.Zero)
    by_degree: dict[sp.Expr, list[sp.Expr]] = {}
    for term in sp.Add.make_args(expand(channels.canonical(change))):
        by_degree.setdefault(_degree(term, fields), []).append(term)
    for degree, terms in by_degree.items():
        part = sp.Add(*terms)
        if degree.is_zero:
            first = coordinates[0]
            out[first] += sp.integrate(part, first)
            continue
        for mu, value in noether.by_parts(gradient(part), {u: jet(u) for u in fields}, coordinates).items():
            out[mu] += value / degree
    return out


def _degree(term: sp.Expr, fields: Sequence[AppliedUndef]) -> sp.Expr:
    """The degree of a product of powers in the fields (channel maps are linear)."""
    if isinstance(term, channels.MAPS):
        return _degree(channels.argument(term), fields)
    if term.is_Mul or term.is_Add:
        parts = [_degree(a, fields) for a in term.args]
        return sp.Add(*parts) if term.is_Mul else parts[0]
    if term.is_Pow:
        return _degree(term.base, fields) * term.exp
    return sp.S.One if term in jets_of(term, *fields) else sp.S.Zero
