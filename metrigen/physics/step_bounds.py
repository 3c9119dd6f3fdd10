"""The time step against its limit, over the values that the parameters are kept to.

A parameter is kept to its declared sign and bound. A limit 2/sqrt(4 c2 + m2) with c2 > 0 and m2 >= 0 has no upper
bound, 2/sqrt(4 + m2) has the bound 1: a number dt above it is unstable for every value and refused. With ``below=1``
for both parameters the limit is above 2/sqrt(5) for every value, and a dt that is kept below that is safe.
"""

from __future__ import annotations

import sympy as sp

from metrigen.errors import SpecError
from metrigen.physics.derivation import Derivation
from metrigen.physics.intervals import bounds
from metrigen.physics.report import show
from metrigen.physics.work_budget import expand


def largest_limit(limit: sp.Expr) -> sp.Expr:
    """An upper bound of a step limit over all values of its parameters; infinite where none is known."""
    low, _ = bounds(expand(1 / limit**2))
    return 1 / sp.sqrt(low) if low.is_positive else sp.oo


def smallest_limit(limit: sp.Expr) -> sp.Expr:
    """A lower bound of a step limit over all values of its parameters; zero where none is known."""
    _, high = bounds(expand(1 / limit**2))
    return 1 / sp.sqrt(high) if high.is_positive and high.is_finite else sp.S.Zero


def largest_step(dt: sp.Expr) -> sp.Expr:
    """An upper bound of dt over all values of its parameters."""
    return bounds(dt)[1]


def check_step(derivation: Derivation) -> None:
    """Raise SpecError where dt is a number above the step limit for every value of the parameters."""
    limit, dt = derivation.step_limit, derivation.system.dt
    if limit is None or dt is None or not dt.is_number:
        return
    most = largest_limit(limit)
    if most.is_finite and dt > most:
        method = type(derivation.system.integrator).__name__
        raise SpecError(
            f"dt={float(dt):g} is above the step limit of {method} for every value of the parameters",
            part="integrator",
            why=f"the limit is {show(limit)}, at most {float(most):.4g}; beyond it the shortest waves grow",
            fix=f"dt below {float(most):.4g}, a finer step with more of them, or ImplicitMidpoint, which has no limit",
            see="step-limit",
        )
