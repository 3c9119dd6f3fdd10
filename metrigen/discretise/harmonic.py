"""What of a coefficient has a harmonic mean on an edge: that which is known not to change its sign.

2ab/(a + b) of two neighbours has a pole where a = -b, so a coefficient of unknown sign has none. It is refused where a
functional is made of it, whose derivatives would have that pole. A bracket and a readout hold coefficients that are no
conductivities, u of u_t = u u_x or the momentum pi of T01 = -pi u_x: factors of either sign take the arithmetic mean.
"""

from __future__ import annotations

from collections.abc import Set

import sympy as sp

from metrigen.errors import SpecError
from metrigen.ir.nodes import Load
from metrigen.physics.signs import Sign, sign_of

_FUNCTIONALS = ("hamiltonian", "entropy", "metric", "constraints")


def split(coefficient: sp.Expr, nonnegative: Set[str], part: str) -> tuple[sp.Expr, sp.Expr]:
    """(what takes the harmonic mean, what takes the arithmetic one): their product is the coefficient, the first is
    nonnegative and the second a sign where that is known of all of it.

    nonnegative  the arrays that are declared so
    part         what of the system the coefficient belongs to; raises SpecError where it must have a sign and has none
    """
    sign = _sign(coefficient, nonnegative)
    if sign:
        return sign * coefficient, sp.Integer(sign)
    if part in _FUNCTIONALS:
        raise _refused(coefficient, nonnegative, part)
    mean, rest = sp.S.One, sp.S.One
    for factor in sp.Mul.make_args(_factored(coefficient)):
        sign = _sign(factor, nonnegative)
        mean, rest = (mean * sign * factor, rest * sign) if sign else (mean, rest * factor)
    return mean, rest


def _factored(expr: sp.Expr) -> sp.Expr:
    """As a product, however it was written."""
    return sp.factor(expr) if expr.is_polynomial(*expr.free_symbols) else sp.factor_terms(expr)


def _declared(expr: sp.Expr, nonnegative: Set[str]) -> sp.Expr:
    """The expression with values that are declared nonnegative as symbols that are."""
    known = (x for x in expr.atoms(Load) if x.array in nonnegative and not x.is_positive)
    return expr.xreplace({x: sp.Symbol(x.name, real=True, nonnegative=True) for x in known})


def _sign(expr: sp.Expr, nonnegative: Set[str]) -> int:
    """1 of what is proved nonnegative, -1 of what is proved not to be positive, else 0."""
    known = _declared(expr, nonnegative)
    for sign in (1, -1):
        if (sign * known).is_nonnegative or _proved(sign_of(sign * known)):
            return sign
    return 0


def _proved(sign: Sign) -> bool:
    return sign.holds and not sign.by_points


def _refused(coefficient: sp.Expr, nonnegative: Set[str], part: str) -> SpecError:
    _, coefficient = coefficient.as_content_primitive()
    known = _declared(coefficient, nonnegative)
    free = sorted({getattr(x, "array", x.name) for x in known.free_symbols if not x.is_nonnegative})
    declare = f"declare {' and '.join(free)} with nonnegative=True if that is so" if free else ""
    found = sign_of(known)
    return SpecError(
        f"the coefficient {coefficient} has no harmonic mean",
        part=part,
        why="2ab/(a + b) has a pole where the signs of two neighbours differ, and nothing says that it is nonnegative",
        witness=found.witness or None,
        fix=", ".join(filter(None, (declare, f"write it as sp.Max(0, {coefficient}) or as a square")))
        + ', or take average="arithmetic"',
        see="harmonic-mean",
    )
