"""The two degeneracies of a metriplectic system: M dH = 0, and J dS = 0."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.physics.derivation import Law
from metrigen.physics.report import identity, show, violation, witness
from metrigen.physics.zero import Zero, every, zero_test

_REFUSALS = {
    "energy_degeneracy": ("metric", "the metric bracket does not conserve energy: (H, .) is not zero"),
    "entropy_degeneracy": ("entropy", "the entropy is not a Casimir of the bracket: {S, .} is not zero"),
}


def check_degeneracy(
    law: str,
    fields: Sequence[AppliedUndef],
    residuals: Sequence[sp.Expr],
    fix: Callable[[], str],
    *,
    where: str = "identically in every component",
    test: Callable[[sp.Expr], Zero] = zero_test,
    numbers: Callable[[sp.Expr], sp.Expr] = lambda residual: residual,
) -> Law:
    """That ``residuals``, M dH (energy_degeneracy) or J dS (entropy_degeneracy), vanish: the metric moves entropy and
    never energy, the entropy is a Casimir of the bracket. Raises StructureError with a witness, which is sought in
    ``numbers`` of the residual."""
    tests = []
    for u, residual in zip(fields, residuals, strict=True):
        tests.append(test(residual))
        if not tests[-1]:
            part, what = _REFUSALS[law]
            raise violation(
                what,
                law=law,
                residual=residual,
                part=part,
                why=f"component {u.func.__name__}: {show(residual)}",
                witness=witness(numbers(residual)),
                fix=fix(),
            )
    return identity(law, f"{'M dH' if law == 'energy_degeneracy' else 'J dS'} = 0 {where}", every(tests))
