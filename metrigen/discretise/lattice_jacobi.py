"""``lattice_jacobi``: is the emitted operator a Poisson bracket? Differences obey no Leibniz rule, so it may not be.

    K(A, B)    = sum_n A . J B
    T(A, B, C) = sum_k (dK(A, B)/dz_k) (J C)_k
    Poisson   <=>   T(P, Q, R) + T(Q, R, P) + T(R, P, Q) = 0 for all lattice covectors P, Q, R

The sum is a number for every state, so one random state refutes; as a density it is linear in P, and its variation by
P vanishes identically exactly when the bracket is Poisson.
"""

from __future__ import annotations

import sympy as sp

from metrigen.discretise.base import Discretisation
from metrigen.discretise.lattice_probe import (
    TOLERANCE,
    Numbers,
    Stencil,
    Unwritten,
    Vector,
    acting,
    applied,
    pairing,
)
from metrigen.ir.interpreter import run
from metrigen.ir.nodes import Load, Program
from metrigen.passes.vary import bar
from metrigen.physics.derivation import Bilinear, Law

NAME = "lattice_jacobi"
_LOST = (
    "differences obey no Leibniz rule: Poisson in the continuum, skew on the lattice; the energy is kept all the same"
)


def lattice_jacobi(stencil: Stencil, bracket: Bilinear) -> Law:
    """Pointwise brackets inherit the law; constant ones have it; the rest is evaluated, then proved or refuted."""
    derivation = stencil.dynamics.derivation
    if not bracket.form.has(sp.Derivative):
        law = derivation.law("jacobi")
        return Law(NAME, law.verdict, "pointwise: the law of the continuum at every site", law.detail, law.witness)
    if not bracket.form.has(*derivation.fields):
        return Law(NAME, "proved", "the coefficients do not depend on the state")
    operator = stencil.bracket
    assert operator is not None
    slope = pairing(operator, stencil.names, stencil.dynamics.origin)
    worst = max(_defect(stencil, operator, slope, trial, z) for trial, z in enumerate(stencil.states()))
    shape = f"{stencil.sites} sites per axis"
    if not worst <= TOLERANCE:
        witness = f"{{{{P, Q}}, R}} + cyclic = {worst:.2g} of the sum of its |terms|, random covectors on {shape}"
        before = derivation.law("jacobi").verdict
        detail = f"proved in the continuum, {_LOST}" if before == "proved" else f"in the continuum {before}; {_LOST}"
        return Law(NAME, "failed", "trilinear form on random states of the lattice", detail, witness)
    how = f"trilinear form vanishes on random states of {shape}"
    try:
        if _proved(stencil, operator):
            return Law(NAME, "proved", "discrete variation of {{P,Q},R} + cyclic by P vanishes")
    except Unwritten as limit:
        return Law(NAME, "sampled", f"{how}; not expanded: {limit}", f"largest relative defect {worst:.1e}")
    return Law(NAME, "sampled", f"{how}; the expansion did not decide", f"largest relative defect {worst:.1e}")


def _defect(stencil: Stencil, operator: Program, slope: Program, trial: int, state: Numbers) -> float:
    """|T(P,Q,R) + cyclic| relative to the sum of |terms| at one state."""
    P, Q, R = (stencil.covector(trial, which) for which in (1, 2, 3))
    value = size = 0.0
    for A, B, C in ((P, Q, R), (Q, R, P), (R, P, Q)):
        bind = {**{f"{u}__right": x for u, x in B.items()}, **{f"{u}__test": x for u, x in A.items()}}
        moved = {name.removesuffix(bar("")): x for name, x in run(slope, {**state, **bind}).items()}
        part, terms = Discretisation.inner(moved, applied(operator, state, C))
        value, size = value + part, size + terms
    return abs(value) / size if size else 0.0


def _proved(stencil: Stencil, operator: Program) -> bool:
    """E_P(T(P, Q, R) + cyclic) = 0 by expansion."""
    P, Q, R = ({u: _load(stencil, f"{side}__{u}") for u in stencil.names} for side in "PQR")
    tau = sp.Add(*(_trilinear(stencil, operator, *order) for order in ((P, Q, R), (Q, R, P), (R, P, Q))))
    return all(stencil.vanishes(stencil.variation(tau, f"P__{u}")) for u in stencil.names)


def _trilinear(stencil: Stencil, operator: Program, A: Vector, B: Vector, C: Vector) -> sp.Expr:
    image = _image(stencil, operator, B)
    paired = sp.Add(*(A[u] * image[u] for u in stencil.names))
    moved = _image(stencil, operator, C)
    return sp.Add(*(stencil.variation(paired, u) * moved[u] for u in stencil.names))


def _image(stencil: Stencil, operator: Program, covector: Vector) -> dict[str, sp.Expr]:
    out = stencil.inline(operator, acting(covector))
    return {name.removesuffix(bar("__left")): e for name, e in out.items()}


def _load(stencil: Stencil, name: str) -> Load:
    return Load(name, stencil.dynamics.origin)
