"""The Legendre transform as a decision tree: what kind of Lagrangian is it, and what is its Hamiltonian?

W_ab = d2L/du_{a,t} du_{b,t}
regular      pi_a = dL/du_{a,t},  v = u_t(pi),  H = pi v - L,  canonical bracket
first order  L = theta_a u_{a,t} - H,  Omega_ab = d theta_b/du_a - d theta_a/du_b,  J = Omega^-1
otherwise    refused, with the constraints or the higher derivative that stand in the way
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.errors import SpecError
from metrigen.physics import channels, linear
from metrigen.physics.conditions import conditional
from metrigen.physics.derivation import Law, Verdict
from metrigen.physics.inversion import Inverse, invert_velocities
from metrigen.physics.jets import Jet, jet, jets_of
from metrigen.physics.partials import Partials
from metrigen.physics.refusals import refuse, refuse_singular
from metrigen.physics.report import identity, show
from metrigen.physics.variation import diff_jets, euler_of, gradient, over_common, tidy
from metrigen.physics.work_budget import expand
from metrigen.physics.zero import all_zero, zero_test
from metrigen.spec.symbols import momentum, t


@dataclass(frozen=True)
class Legendre:
    """The Hamiltonian side of a Lagrangian, in jets. ``matrix`` is J of a first-order Lagrangian, else None."""

    state: tuple[AppliedUndef, ...]
    hamiltonian: sp.Expr
    momenta: Mapping[AppliedUndef, AppliedUndef]
    velocities: Mapping[AppliedUndef, sp.Expr]
    matrix: tuple[tuple[sp.Expr, ...], ...] | None
    law: Law


def transform(lagrangian: sp.Expr, fields: tuple[AppliedUndef, ...], *, has_bracket: bool) -> Legendre:
    """Choose the branch. Raises StructureError(law="legendre") where there is no Hamiltonian with local dynamics."""
    gradients = gradient(lagrangian)
    _refuse_higher_time_derivatives(lagrangian, gradients, fields)
    velocities = {u: jet(u, t) for u in fields}
    momenta = {u: gradients.get(v, sp.S.Zero) for u, v in velocities.items()}
    _refuse_mixed(lagrangian, fields)
    _refuse_coupled(momenta, velocities)
    slopes = {a: Partials(momenta[a]) for a in fields}
    hessian = [[slopes[a].along(velocities[b]) for b in fields] for a in fields]
    if all_zero(entry for row in hessian for entry in row):
        return _first_order(lagrangian, fields, momenta, velocities, has_bracket)
    if linear.singular(hessian):
        refuse_singular(fields, gradients, hessian, momenta)
    det = expand(linear.determinant(hessian))
    return _regular(lagrangian, fields, momenta, velocities, hessian, det)


def _refuse_higher_time_derivatives(
    lagrangian: sp.Expr, gradients: Mapping[Jet, sp.Expr], fields: tuple[AppliedUndef, ...]
) -> None:
    high = [j for j in jets_of(lagrangian, *fields) if j.order_in(t) >= 2]
    if not high:
        return
    equations = [euler_of(dict(gradients), u, u.args) for u in fields]
    order = max((j.order_in(t) for e in equations for j in jets_of(expand(e), *fields)), default=0)
    if order <= 2:
        raise refuse(
            f"the Lagrangian contains {show(high[0])}",
            residual=gradients[high[0]],
            why="its equations are of second order in time, so the term differs from a first-order one by a total "
            "derivative",
            fix="integrate by parts in t, for instance u*u_tt -> -u_t**2",
        )
    raise refuse(
        f"the Lagrangian is of Ostrogradsky type: it contains {show(high[0])}",
        residual=gradients[high[0]],
        why=f"the equations are of order {order} in time and the Hamiltonian is linear in a momentum, so the energy "
        "is not bounded from below",
        fix="use derivatives of first order in time; space derivatives may have any order",
    )


def _refuse_mixed(lagrangian: sp.Expr, fields: tuple[AppliedUndef, ...]) -> None:
    mixed = [j for j in jets_of(lagrangian, *fields) if j.order_in(t) == 1 and j.order > 1]
    if mixed:
        u = mixed[0].base.func.__name__
        raise refuse(
            f"the Lagrangian contains the mixed derivative {show(mixed[0])}",
            residual=mixed[0],
            why=f"the momentum pi = dL/d{u}_t - D_x dL/d{u}_tx contains derivatives of the velocity; to express the "
            "velocity by it takes the inverse of an elliptic operator at every step",
            fix="drop the term, integrate it by parts if it is a total derivative, or give hamiltonian= and bracket=",
        )


def _refuse_coupled(momenta: Mapping[AppliedUndef, sp.Expr], velocities: Mapping[AppliedUndef, Jet]) -> None:
    inside = set(velocities.values())
    for u, value in momenta.items():
        _, maps = channels.lift(channels.canonical(value))
        if any(inside & atom.free_symbols for atom in maps.values()):
            raise refuse(
                f"the kinetic term couples the channels of {u.func.__name__}",
                residual=value,
                why=f"the momentum is {show(value)}; the velocity needs the inverse of a channel matrix",
                fix="keep the kinetic term diagonal (u_t**2/2) and put the coupling into the potential or the bracket",
            )


def _regular(
    lagrangian: sp.Expr,
    fields: tuple[AppliedUndef, ...],
    momenta: Mapping[AppliedUndef, sp.Expr],
    velocities: Mapping[AppliedUndef, Jet],
    hessian: list[list[sp.Expr]],
    det: sp.Expr,
) -> Legendre:
    names = {u: momentum(u) for u in fields}
    taken = next((p for p in names.values() if p in fields), None)
    if taken is not None:
        raise SpecError(
            f"the Lagrangian has a field called {taken.func.__name__}",
            part=taken.func.__name__,
            why=f"{taken} is the momentum conjugate to another of its fields",
            fix="rename the field",
            see="reserved-name",
        )
    conjugate = {u: jet(names[u]) for u in fields}
    inverse: Inverse = invert_velocities(lagrangian, fields, momenta, velocities, conjugate, hessian, det)
    solved = inverse.velocities
    if inverse.polynomial:  # L = v W v/2 + b v - V, so H = (pi - b) v(pi)/2 + V
        still = dict.fromkeys(velocities.values(), sp.S.Zero)
        doubled = sp.Add(*((conjugate[u] - momenta[u].xreplace(still)) * solved[u] for u in fields))
        hamiltonian = over_common(tidy(doubled / 2 - lagrangian.xreplace(still)))
    else:
        table = {velocities[u]: solved[u] for u in fields}
        energy = sp.Add(*(conjugate[u] * solved[u] for u in fields)) - lagrangian.xreplace(table)
        hamiltonian = inverse.energy(energy)
    back = {conjugate[u]: momenta[u] for u in fields}
    check = hamiltonian.xreplace(back) + lagrangian - sp.Add(*(momenta[u] * velocities[u] for u in fields))
    verified = zero_test(check, summed=True)
    if not verified:
        raise refuse(
            "the Legendre transform could not be verified",
            residual=check,
            why="H(pi(v)) + L - pi v is not zero: the momenta determine the velocities only on one branch",
            fix="give hamiltonian= and bracket= directly",
        )
    how = f"{inverse.how}; H(pi(v)) + L - pi v = 0 checked"
    if inverse.verdict == "proved":
        law = identity("legendre", how, verified, inverse.detail)
    else:
        law = _judged(inverse.verdict, how, inverse.detail, inverse.needs)
    return Legendre((*fields, *names.values()), hamiltonian, names, solved, None, law)


def _first_order(
    lagrangian: sp.Expr,
    fields: tuple[AppliedUndef, ...],
    theta: Mapping[AppliedUndef, sp.Expr],
    velocities: Mapping[AppliedUndef, Jet],
    has_bracket: bool,
) -> Legendre:
    _refuse_timed(theta, fields)
    hamiltonian = tidy(-lagrangian.xreplace(dict.fromkeys(velocities.values(), sp.S.Zero)))
    if all_zero(theta.values()) and not has_bracket:
        raise refuse(
            "the Lagrangian contains no time derivative",
            residual=sp.S.Zero,
            why="without a velocity there is nothing to evolve; a derivative by a symbol that is not the t of metrigen "
            "is zero",
            fix="add the kinetic term u.diff(t)**2/2 with t from metrigen import t, or give hamiltonian= and metric= "
            "for a gradient flow",
        )
    if has_bracket:
        law = Law("legendre", "proved", "first order in time: H = -L at zero velocity; the declared bracket acts")
        return Legendre(fields, hamiltonian, {}, {}, None, law)
    _refuse_nonlocal(theta, fields)
    omega = [[expand(theta[b].diff(jet(a)) - theta[a].diff(jet(b))) for b in fields] for a in fields]
    if linear.singular(omega):
        gradients = gradient(hamiltonian)
        forces = [euler_of(gradients, u, u.args[1:]) for u in fields]
        kernel = linear.null_vectors(omega)
        constraints = [
            f"{show(sp.Add(*(n * f for n, f in zip(vector, forces, strict=True))))} = 0" for vector in kernel
        ]
        raise refuse(
            "the first-order Lagrangian is singular",
            residual=sp.S.Zero,
            why="its symplectic matrix has a kernel; the constraints are " + "; ".join(constraints),
            fix="eliminate the constrained field with its constraint, or give hamiltonian= and bracket=",
        )
    det = expand(linear.determinant(omega))
    matrix = tuple(tuple(row) for row in linear.inverse(omega))
    proved = bool(det.is_nonzero)
    how = "first order in time: J is the inverse of the symplectic matrix"
    law = _judged("proved" if proved else "conditional", how, "" if proved else f"{show(det)} != 0", (det**2,))
    return Legendre(fields, hamiltonian, {}, {}, matrix, law)


def _judged(verdict: Verdict, how: str, detail: str, needs: Sequence[sp.Expr]) -> Law:
    if verdict == "conditional":
        return conditional("legendre", how, detail, needs)
    return Law("legendre", verdict, how, detail)


def _refuse_timed(theta: Mapping[AppliedUndef, sp.Expr], fields: tuple[AppliedUndef, ...]) -> None:
    """Omega u_t = dH/du + (d theta/dt)_u: the last term is the variation of no energy that is looked for."""
    for u, value in theta.items():
        moved = diff_jets(value, t, held=fields)
        if not zero_test(moved):
            raise refuse(
                "the first-order Lagrangian has a symplectic form that moves with the time",
                residual=moved,
                why=f"theta for {u.func.__name__}_t is {show(value)}; its explicit derivative {show(moved)} adds a "
                "force to dH/du that no bracket of H gives",
                fix="integrate by parts in t, where theta is the sum of a part free of t and of a gradient; or give "
                "hamiltonian= and bracket=",
            )


def _refuse_nonlocal(theta: Mapping[AppliedUndef, sp.Expr], fields: tuple[AppliedUndef, ...]) -> None:
    for u, value in theta.items():
        if channels.has_maps(value):
            raise refuse(
                "the first-order Lagrangian couples channels in its symplectic form",
                residual=value,
                why=f"theta for {u.func.__name__}_t is {show(value)}; its bracket is the inverse of a channel matrix",
                fix="give hamiltonian= and bracket= directly",
            )
        if any(j.order for j in jets_of(value, *fields)):
            raise refuse(
                "the symplectic operator of the first-order Lagrangian contains derivatives",
                residual=value,
                why=f"theta for {u.func.__name__}_t is {show(value)}; its inverse, the bracket, is not local",
                fix="give hamiltonian= and bracket=, in the variables in which the bracket is local (for potential "
                "KdV u = phi_x with F[u]*G[u].diff(x))",
            )
