"""Whether a bilinear form is its own mirror image, or minus that: a metric is symmetric, a bracket antisymmetric."""

from __future__ import annotations

import sympy as sp

from metrigen.physics.derivation import Law
from metrigen.physics.operators import Form
from metrigen.physics.report import identity, multiplied_out, show_form, violation, witness
from metrigen.physics.variation import euler_jets
from metrigen.physics.zero import every, zero_test


def check_parity(form: Form, sign: int, law: str, part: str, *, what: str, fix: str) -> Law:
    """b(f, g) = sign b(g, f): E_f[ b(f, g) - sign b(g, f) ] = 0 in every component.

    Raises StructureError with a witness; ``what`` says what is wrong, ``fix`` what becomes of the two parts of the
    form, by their places {symmetric} and {skew}."""
    tests = []
    for u, f in zip(form.state, form.left, strict=True):
        residual = euler_jets(form.density - sign * form.swapped, f)
        tests.append(zero_test(residual))
        if not tests[-1]:
            half = {name: (form.density + s * form.swapped) / 2 for name, s in (("symmetric", 1), ("skew", -1))}
            pair = "(F, G) - (G, F)" if sign > 0 else "{F, G} + {G, F}"
            raise violation(
                what,
                law=law,
                residual=residual,
                part=part,
                why=f"{pair} does not vanish; component {u.func.__name__}: {shown(form, residual)}",
                witness=witness(residual),
                fix=fix.format(**{name: shown(form, multiplied_out(e)) for name, e in half.items()}),
            )
    return identity(law, f"Euler operator of b(f, g) {'-' if sign > 0 else '+'} b(g, f) vanishes", every(tests))


def shown(form: Form, expr: sp.Expr) -> str:
    """An expression in the covectors of a form as the spec writes it, with F[u] and G[u]."""
    return show_form(expr, F=(form.left, form.state), G=(form.right, form.state))
