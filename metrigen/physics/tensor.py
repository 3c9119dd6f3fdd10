"""The stress-energy tensor of a system, with its balance law checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.errors import MetrigenError
from metrigen.physics import channels, noether
from metrigen.physics.constraints import check_power
from metrigen.physics.derivation import Law
from metrigen.physics.jets import jet
from metrigen.physics.operators import rename, replacement
from metrigen.physics.report import identity, multiplied_out, show, violation, witness
from metrigen.physics.size import TooLarge
from metrigen.physics.state import State
from metrigen.physics.variation import diff_along, diff_jets, euler_of, gradient, tidy
from metrigen.physics.work_budget import LAW, count_ops, limited
from metrigen.physics.zero import Zero, every, is_zero, zero_test
from metrigen.spec.symbols import t

LARGE = 3000  # operations in the rates beyond which the energy flux is not written out
_FLUX = "D_t T^t_t + D_i T^i_t = dH.R + dh/dt on solutions, R the dissipative part (energy density and flux)"
Table = dict[tuple[sp.Symbol, sp.Symbol], sp.Expr]


@dataclass(frozen=True)
class Tensor:
    """T^mu_nu, what D_mu T^mu_nu is on solutions, and the law that says so."""

    components: Table
    sources: dict[sp.Symbol, sp.Expr]
    law: Law


def tensor_of(state: State) -> Tensor:
    """Canonical from the Lagrangian; of L = -F for a gradient flow; energy density and flux otherwise."""
    try:
        with limited(LAW):
            if state.lagrangian is not None:
                return _canonical(state.lagrangian, state.lagrangian_fields, state, "")
            if state.bracket is None and state.entropy is None:
                density, fields = _action(state)
                return _canonical(-density, fields, state, " (static Lagrangian L = -F)")
            return _energy_flux(state)
    except TooLarge as error:
        return Tensor({}, {}, Law("noether", "sampled", f"not derived: {error.short}"))


def _canonical(lagrangian: sp.Expr, fields: Sequence[AppliedUndef], state: State, note: str) -> Tensor:
    components = noether.stress_energy(lagrangian, fields, state.coordinates)
    how = f"D_mu T^mu_nu = -E_a u_a,nu - (dL/dx^nu)_explicit holds off shell{note}"
    tests, undecided = _balanced(components, lagrangian, fields, state.coordinates)
    if channels.has_maps(lagrangian):
        how += ", summed over the channels (written out channel by channel)"
    if state.constrained is not None:
        components = {key: _bare(state, value, key[0] == key[1]) for key, value in components.items()}
        how += ", the constraint among its fields"
    try:
        with limited(LAW):
            sources = _sources(state, lagrangian, fields)
    except TooLarge:
        sources = {}
    law = Law("noether", "sampled", how, undecided) if undecided else identity("noether", how, every(tests))
    return Tensor(components, sources, law)


def _balanced(
    components: Table, lagrangian: sp.Expr, fields: Sequence[AppliedUndef], coordinates: Sequence[sp.Symbol]
) -> tuple[list[Zero], str]:
    """How the balance law of each column was verified, and of which it is not decided: the identity is larger than the
    tensor."""
    tests: list[Zero] = []
    open_: list[str] = []
    limit = ""
    for nu in coordinates:
        try:
            defect = noether.divergence_defect(components, lagrangian, fields, coordinates, nu)
            tests.append(zero_test(defect, summed=True))
        except TooLarge as error:
            open_.append(f"T^mu_{nu}")
            limit = error.short
            continue
        if not tests[-1]:
            raise _violated(f"D_mu T^mu_{nu} + E u_{nu} + explicit", defect)
    return tests, f"not decided for {', '.join(open_)}: {limit}" if open_ else ""


def _violated(identity: str, defect: sp.Expr) -> MetrigenError:
    return violation(
        "the stress-energy tensor violates its balance law",
        law="noether",
        residual=multiplied_out(defect),
        part="lagrangian",
        why=f"{identity} = {show(defect)}",
        witness=witness(defect),
    )


def _sources(state: State, lagrangian: sp.Expr, fields: Sequence[AppliedUndef]) -> dict[sp.Symbol, sp.Expr]:
    """R_a u_{a,nu} - explicit with the extra force R_a = pi_t + dH/du, where u_t is still the velocity."""
    forces = _extra_forces(state)
    if forces is None:
        return {}
    gradients = gradient(lagrangian)
    momenta = {jet(p): gradients.get(jet(u, t), sp.S.Zero) for u, p in state.momenta.items()}
    table = replacement(
        list(state.momenta.values()), [momenta[jet(p)] for p in state.momenta.values()], list(forces.values())
    )
    out = {}
    for nu in state.coordinates:
        work = [force.xreplace(table) * jet(u).shift(nu) for u, force in forces.items()]
        out[nu] = tidy(sp.Add(*work) - noether.explicit_derivative(lagrangian, fields, nu))
    return out


def _extra_forces(state: State) -> dict[AppliedUndef, sp.Expr] | None:
    if not state.momenta:
        return None
    if state.rates is None:
        return None
    of = dict(zip(state.fields, zip(state.rates, state.covectors, strict=True), strict=True))
    out = {}
    for u, p in state.momenta.items():
        if not is_zero(of[u][0] - of[p][1]):
            return None
        out[u] = tidy(of[p][0] + of[u][1])
    return out


def _energy_flux(state: State) -> Tensor:
    """T^t_t = h and the flux T^i_t with D_t T^t_t + D_i T^i_t = dH.R + dh/dt, R the dissipative part of the rates.

        h_t = z_t . dH + D_i P^i         the rates integrated by parts
        f . J f = D_i K^i                 J is skew, f = dH

    Both are identities in arbitrary functions z_t and f, and are checked so; T^i_t = -(P + K)^i.
    """
    components, source, how = {(t, t): state.hamiltonian}, {}, _FLUX
    try:
        density, fields = _action(state)
        work, skew = _skew_current(state)
        if state.rates is not None and sum(count_ops(rate, LARGE) for rate in state.rates) < LARGE:
            components.update(_flux(state, density, fields, work))
        else:
            how += "; the flux is not written out, it is too large"
        source = {t: _bare(state, _dissipated(state) + noether.explicit_derivative(density, fields, t))}
        grounds = [_check_peeling(density, fields, state.axes), skew]
        if state.constrained is not None:
            grounds.append(state.constrained.test)
            how += "; dA/dpsi of A = H + int chi C vanishes on the constraint"
            power = _power_on_constraint(state)
            if power is not None:
                grounds.append(power)
                how += ", and int dH.J dH = 0 with the constraint put in"
    except TooLarge as error:
        return Tensor(components, source, Law("noether", "sampled", how, f"not decided: {error.short}"))
    return Tensor(components, source, identity("noether", how, every(grounds)))


def _flux(state: State, density: sp.Expr, fields: Sequence[AppliedUndef], work: Mapping[sp.Symbol, sp.Expr]) -> Table:
    """T^i_t = -(P + K)^i."""
    assert state.rates is not None
    rates = dict(zip(state.fields, state.rates, strict=True))
    # The auxiliary fields move with the state: their rates stay psi_t, fixed by the constraint differentiated.
    rates |= {u: jet(u, t) for u in fields if u not in rates}
    current = noether.by_parts(gradient(density), rates, state.axes)
    return {(x, t): _bare(state, -(current[x] + work[x])) for x in state.axes}


def _dissipated(state: State) -> sp.Expr:
    """dH.R, R the dissipative part of the rates."""
    if state.metric is None:
        return sp.S.Zero
    sign = -1 if state.entropic is None else 1
    forces = state.metric.apply(state.covectors if state.entropic is None else state.entropic)
    return sp.Add(*(sign * g * force for g, force in zip(state.covectors, forces, strict=True)))


def _action(state: State) -> tuple[sp.Expr, tuple[AppliedUndef, ...]]:
    """The density whose variation is dH, and the fields it is varied by: h + chi C with the auxiliary fields."""
    c = state.constrained
    if c is None:
        return state.hamiltonian, state.fields
    return c.density, (*state.fields, *c.fields, *c.stand_ins)


def _bare(state: State, expr: sp.Expr, diagonal: bool = False) -> sp.Expr:
    """An expression with the multipliers written out; a diagonal T^mu_mu without its chi C, which is zero."""
    c = state.constrained
    if c is None:
        return tidy(expr)
    return c.bare(expr - (c.density - state.hamiltonian if diagonal else 0))


def _power_on_constraint(state: State) -> Zero | None:
    if state.constrained is None or state.bracket is None:
        return None
    return check_power(state.constrained, state.fields, state.covectors, state.bracket.apply(state.covectors))


def _check_peeling(density: sp.Expr, fields: Sequence[AppliedUndef], axes: Sequence[sp.Symbol]) -> Zero:
    """sum dh/dz_alpha D_alpha V = V . dH + D_i P^i for arbitrary V, summed over the channels."""
    test = {u: jet(sp.Function(f"V:{u.func.__name__}", real=True)(*u.args)) for u in fields}
    gradients = gradient(density)
    current = noether.by_parts(gradients, test, axes)
    change = [g * diff_along(test[j.base], j.directions()) for j, g in gradients.items() if j.base in test]
    local = [test[u] * euler_of(gradients, u, u.args[1:]) for u in fields]
    defect = sp.Add(*change) - sp.Add(*local, *(diff_jets(current[x], x) for x in axes))
    verified = zero_test(defect, summed=True)
    if not verified:
        raise _violated("h_t - z_t dH - D_i P^i", defect)
    return verified


def _skew_current(state: State) -> tuple[dict[sp.Symbol, sp.Expr], Zero]:
    """K^i with dH.J dH = D_i K^i, and how that was verified.

    b(f, g) = f.J g + D_i B^i by parts, and w(f) = b(f, f) has w = D_i W^i/2 with W its own current, since E_f(w) = 0.
    """
    form, axes = state.bracket, state.axes
    if form is None:
        return dict.fromkeys(axes, sp.S.Zero), Zero(True)
    itself = {f: jet(f) for f in form.left}
    mixed = noether.by_parts(gradient(form.density), itself, axes)
    square = noether.by_parts(gradient(form.at(form.left, form.left)), itself, axes)
    generic = {x: rename(square[x] / 2 - mixed[x], form.right, form.left) for x in axes}
    rows = [rename(row, form.right, form.left) for row in form.rows]
    work = sp.Add(*(itself[f] * row for f, row in zip(form.left, rows, strict=True)))
    defect = work - sp.Add(*(diff_jets(generic[x], x) for x in axes))
    test = zero_test(defect, summed=True)
    if not test:
        raise _violated("f J f - D_i K^i", defect)
    return {x: k.xreplace(replacement(form.left, state.covectors, [k])) for x, k in generic.items()}, test
