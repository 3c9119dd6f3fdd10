"""Ready-made brackets and metrics: callables to be given as ``bracket=`` or ``metric=``.

canonical           {F, G} = sum F_q G_p - F_p G_q
friction            (F, G) = gamma F_p G_p
friction_to_heat    friction whose lost energy heats a field: conserves the energy by construction
diffusion           (F, G) = w grad F_u . grad G_u: conserves int u
kulkarni_nomizu     (F, G) = (F, H; G, H) of a 4-bracket: (H, .) = 0 by construction
projected           friction projected off dH: (H, .) = 0 by construction, singular where dH = 0
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.errors import SpecError
from metrigen.physics.variation import euler
from metrigen.spec.functional import Dissipation, Functional
from metrigen.spec.symbols import t

Bracket = Callable[[Functional, Functional], sp.Expr]


def canonical(*pairs: tuple[AppliedUndef, AppliedUndef]) -> Bracket:
    """The canonical bracket of pairs (field, momentum)."""
    if not pairs or not all(isinstance(pair, tuple) and len(pair) == 2 for pair in pairs):
        raise SpecError(
            "canonical() takes pairs (field, momentum)", part="bracket", fix="canonical((q, p))", see="builders"
        )

    def bracket(F: Functional, G: Functional) -> sp.Expr:
        return sp.Add(*(F[q] * G[p] - F[p] * G[q] for q, p in pairs))

    return bracket


def friction(gamma: object, *momenta: AppliedUndef) -> Dissipation:
    """(F, G) = sum gamma F_p G_p: p_t = ... - gamma dH/dp."""
    return Dissipation(*((gamma, lambda F, p=p: F[p]) for p in momenta))


def friction_to_heat(
    gamma: object, p: AppliedUndef, heat: AppliedUndef, hamiltonian: object, *, temperature: object = 1
) -> Dissipation:
    """Friction with A(F) = F_p - (H_p/H_e) F_e and weight gamma T: A(dH) = 0, the energy lost by p heats e."""
    density = sp.sympify(hamiltonian)
    ratio = euler(density, p) / euler(density, heat)
    weight = sp.sympify(gamma) * sp.sympify(temperature)
    return Dissipation((weight, lambda F: F[p] - ratio * F[heat]))


def diffusion(weight: object, u: AppliedUndef) -> Dissipation:
    """(F, G) = int w grad F_u . grad G_u: u_t = div(w grad dF/du), which conserves int u."""
    axes = [x for x in u.args if x != t]
    if not axes:
        raise SpecError(
            f"diffusion() needs a field on a space, not {u}",
            part="metric",
            why="it has no axes to diffuse along",
            fix=f"friction(weight, {u.func.__name__}) for a relaxation in place, or a lattice with axes",
            see="builders",
        )
    return Dissipation(*((weight, lambda F, x=x: F[u].diff(x)) for x in axes))


def kulkarni_nomizu(
    hamiltonian: object,
    fields: Sequence[AppliedUndef],
    sigma: Sequence[object] | None = None,
    mu: Sequence[object] | None = None,
) -> Dissipation:
    """(F, G)_H = sum_ij sigma_i mu_j (F_i H_j - F_j H_i)(G_i H_j - G_j H_i) for diagonal sigma, mu >= 0.

    The Kulkarni-Nomizu product of sigma and mu, local in space; each factor vanishes at F = H.
    """
    density = sp.sympify(hamiltonian)
    slope = {u: euler(density, u) for u in fields}
    first = [sp.S.One] * len(fields) if sigma is None else [sp.sympify(s) for s in sigma]
    second = [sp.S.One] * len(fields) if mu is None else [sp.sympify(m) for m in mu]
    if not len(first) == len(second) == len(fields) or len(fields) < 2:
        raise SpecError(
            "kulkarni_nomizu() takes two or more fields and one sigma and mu for each",
            part="metric",
            why=f"{len(fields)} fields, {len(first)} of sigma and {len(second)} of mu",
            fix="kulkarni_nomizu(H, (q, p), sigma=(a, b), mu=(c, d))",
            see="builders",
        )
    terms = []
    for i, u in enumerate(fields):
        for j, v in enumerate(fields[:i]):
            weight = first[i] * second[j] + first[j] * second[i]
            terms.append((weight, lambda F, u=u, v=v: F[u] * slope[v] - F[v] * slope[u]))
    return Dissipation(*terms)


def projected(hamiltonian: object, weights: Sequence[tuple[object, AppliedUndef]]) -> Dissipation:
    """(F, G) = sum_k w_k A_k(F) A_k(G), A_k(F) = F_k - H_k (H.F)/|H|^2: friction off the gradient of the energy."""
    density = sp.sympify(hamiltonian)
    fields = [u for _, u in weights]
    slope = {u: euler(density, u) for u in fields}
    square = sp.Add(*(g**2 for g in slope.values()))

    def factor(u: AppliedUndef) -> Callable[[Functional], sp.Expr]:
        return lambda F: F[u] - slope[u] * sp.Add(*(slope[v] * F[v] for v in fields)) / square

    return Dissipation(*((weight, factor(u)) for weight, u in weights))
