"""Laws of the Poisson bracket: antisymmetry, the Jacobi identity, entropy degeneracy."""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.physics import channels
from metrigen.physics.degeneracy import check_degeneracy
from metrigen.physics.derivation import Law
from metrigen.physics.operators import Form, rename
from metrigen.physics.parity import check_parity
from metrigen.physics.report import identity, multiplied_out, show_form, violation, witness
from metrigen.physics.variation import euler_jets, tidy
from metrigen.physics.work_budget import count_ops
from metrigen.physics.zero import every, zero_test

# Operations in the trilinear density beyond which it is not varied; channel maps are dearer. Textbooks stay below 100.
LARGE, LARGE_WITH_MAPS = 4000, 400


def check_antisymmetry(form: Form) -> Law:
    """{F, G} = -{G, F}: E_f[ b(f, g) + b(g, f) ] = 0."""
    return check_parity(
        form,
        -1,
        "antisymmetry",
        "bracket",
        what="the bracket is not antisymmetric",
        fix="use the skew part {skew}; the symmetric part {symmetric} may belong in metric=",
    )


def check_jacobi(form: Form, *, almost_poisson: bool) -> Law:
    """{{F, G}, H} + cyclic = 0."""
    if form.constant():
        return Law("jacobi", "proved", "constant coefficients")
    residuals = jacobi_residuals(form)
    if residuals is None:
        why = f"more than {LARGE_WITH_MAPS if channels.has_maps(form.density) else LARGE} operations"
        return Law("jacobi", "sampled", f"not tested: the trilinear density {{{{P,Q}},R}} + cyclic has {why}")
    tests = [zero_test(r) for r in residuals]
    bad = next((multiplied_out(r) for r, test in zip(residuals, tests, strict=True) if not test), None)
    if bad is None:
        how = "Euler operator of the trilinear density {{P,Q},R} + cyclic vanishes"
        return identity("jacobi", how, every(tests))
    text = witness(bad)
    if almost_poisson:
        return Law("jacobi", "failed", "Euler operator of the trilinear density", "accepted: almost_poisson", text)
    raise violation(
        "the bracket does not satisfy the Jacobi identity",
        law="jacobi",
        residual=bad,
        part="bracket",
        why=f"{{{{P, Q}}, R}} + cyclic, varied by P, is {_shown_cyclic(form, bad)}",
        witness=text,
        fix="correct the bracket, or say almost_poisson=True to keep a skew bracket that conserves the energy but is "
        "not Poisson",
    )


def _shown_cyclic(form: Form, expr: sp.Expr) -> str:
    return show_form(expr, **{name: (_covectors(name, form), form.state) for name in "PQR"})


def jacobi_residuals(form: Form) -> list[sp.Expr] | None:
    """E_{P_i} of T(P,Q,R) + T(Q,R,P) + T(R,P,Q), T(A,B,C) = sum_k E_{z_k}(A . J B) (J C)_k: all zero iff Poisson.

    Linear functionals with fresh covectors P, Q, R suffice, because the second variations cancel for skew J.
    None if the density is too large to vary in seconds.
    """
    P, Q, R = (_covectors(name, form) for name in "PQR")
    tau = sp.Add(_cyclic(form, P, Q, R), _cyclic(form, Q, R, P), _cyclic(form, R, P, Q))
    most = LARGE_WITH_MAPS if channels.has_maps(tau) else LARGE
    if count_ops(tau, most) > most:
        return None
    return [euler_jets(tau, p) for p in P]


def _covectors(name: str, form: Form) -> tuple[AppliedUndef, ...]:
    return tuple(sp.Function(f"{name}:{u.func.__name__}", real=True)(*u.args) for u in form.state)


def _cyclic(form: Form, A: Sequence[AppliedUndef], B: Sequence[AppliedUndef], C: Sequence[AppliedUndef]) -> sp.Expr:
    bracket = form.at(A, B)
    moved = [rename(row, form.right, C) for row in form.rows]
    return sp.Add(
        *(tidy(euler_jets(bracket, u) * row) for u, row in zip(form.state, moved, strict=True) if not row.is_zero)
    )


def check_entropy_degeneracy(form: Form, entropy: Sequence[sp.Expr]) -> Law:
    """J dS = 0 identically: the entropy is a Casimir of the bracket."""
    fix = "let the entropy depend on fields that the bracket does not move, or choose another bracket"
    return check_degeneracy("entropy_degeneracy", form.state, form.apply(entropy), lambda: fix)
