"""Noether: currents by integration by parts, the stress-energy tensor, and their off-shell identities.

sum_alpha c D_alpha Q  =  Q E  +  D_mu J^mu ,      T^mu_nu = J^mu[Q = u_nu] - delta^mu_nu L
D_mu T^mu_nu = - sum_a E_a u_{a,nu} - (dL/dx^nu)_explicit
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.physics.jets import Jet
from metrigen.physics.variation import diff_along, diff_jets, euler_of, gradient, tidy

Current = dict[sp.Symbol, sp.Expr]


def by_parts(
    gradients: Mapping[Jet, sp.Expr],
    characteristics: Mapping[AppliedUndef, sp.Expr],
    coordinates: Sequence[sp.Symbol],
) -> Current:
    """J^mu in sum_a,alpha c_{a,alpha} D_alpha Q_a = sum_a Q_a E_a + D_mu J^mu.

    One direction mu of alpha at a time: c D_mu X = D_mu(c X) - (D_mu c) X, averaged over the order of the directions.
    """
    out: Current = dict.fromkeys(coordinates, sp.S.Zero)
    for j, value in gradients.items():
        if j.base in characteristics:
            _peel(value, j.directions(), characteristics[j.base], coordinates, out)
    return out


def _peel(c: sp.Expr, alpha: tuple[sp.Symbol, ...], q: sp.Expr, coordinates: Sequence[sp.Symbol], out: Current) -> None:
    for mu in dict.fromkeys(x for x in alpha if x in coordinates):
        weight = sp.Rational(alpha.count(mu), len(alpha))
        place = alpha.index(mu)
        rest = (*alpha[:place], *alpha[place + 1 :])
        out[mu] += weight * c * diff_along(q, rest)
        if rest:
            _peel(-weight * diff_jets(c, mu), rest, q, coordinates, out)


def stress_energy(
    lagrangian: sp.Expr, fields: Sequence[AppliedUndef], coordinates: Sequence[sp.Symbol]
) -> dict[tuple[sp.Symbol, sp.Symbol], sp.Expr]:
    """Mixed canonical T^mu_nu (mu up) of a Lagrangian in jets."""
    gradients = gradient(lagrangian)
    out = {}
    for nu in coordinates:
        shifted = {u: Jet(u, (0,) * len(u.args)).shift(nu) for u in fields}
        current = by_parts(gradients, shifted, coordinates)
        for mu in coordinates:
            out[mu, nu] = tidy(current[mu] - (lagrangian if mu == nu else 0))
    return {(mu, nu): out[mu, nu] for mu in coordinates for nu in coordinates}


def explicit_derivative(lagrangian: sp.Expr, fields: Sequence[AppliedUndef], nu: sp.Symbol) -> sp.Expr:
    """dL/dx^nu at fixed fields: explicit coordinates and prescribed functions."""
    return diff_jets(lagrangian, nu, held=fields)


def divergence_defect(
    tensor: Mapping[tuple[sp.Symbol, sp.Symbol], sp.Expr],
    lagrangian: sp.Expr,
    fields: Sequence[AppliedUndef],
    coordinates: Sequence[sp.Symbol],
    nu: sp.Symbol,
) -> sp.Expr:
    """D_mu T^mu_nu + sum_a E_a u_{a,nu} + (dL/dx^nu)_explicit: zero off shell, summed over the channels."""
    gradients = gradient(lagrangian)
    terms = [diff_jets(tensor[mu, nu], mu) for mu in coordinates]
    for u in fields:
        equation = euler_of(gradients, u, tuple(coordinates))
        terms.append(equation * Jet(u, (0,) * len(u.args)).shift(nu))
    return sp.Add(*terms, explicit_derivative(lagrangian, fields, nu))


def prolong(lagrangian: sp.Expr, characteristics: Mapping[AppliedUndef, sp.Expr]) -> sp.Expr:
    """pr v_Q L = sum D_alpha Q_a dL/du_{a,alpha}, summed over the channels."""
    return sp.Add(
        *(
            value * diff_along(characteristics[j.base], j.directions())
            for j, value in gradient(lagrangian).items()
            if j.base in characteristics
        )
    )
