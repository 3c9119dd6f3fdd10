"""What a system has, in the words by which the gallery is indexed."""

from __future__ import annotations

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.catalogue.outline import outline
from metrigen.package.report import Report
from metrigen.spec.neural import learned_functions
from metrigen.spec.symbols import InputFunction, Param, t


def features(report: Report) -> list[str]:
    """Domain, method, and what stands in the system or follows for it."""
    system, found = report.spec.system, report.derivation
    told = outline(report.spec.source)
    rates = tuple(found.equations.values())
    declared = {
        f"domain: {told.domain if told else type(system.domain).__name__}": True,
        f"method: {type(system.integrator).__name__}": system.integrator is not None,
        "no method, derived alone": system.integrator is None,
        "Lagrangian": system.lagrangian is not None,
        "bracket with fields in it": found.bracket is not None and bool(_fields(found.bracket.form)),
        "metric and energy (friction, diffusion)": system.metric is not None and system.entropy is None,
        "metric and entropy (GENERIC)": system.entropy is not None,
        "noise of a bath": system.temperature is not None,
        "elliptic constraint": bool(found.constraints),
        "Casimirs": bool(found.casimirs),
        "declared symmetries": bool(found.currents),
        "learned functions": bool(learned_functions(found.hamiltonian, *rates)),
        "explicit time": any(_without_fields(rate).has(t) for rate in rates),
        "inputs": any(rate.atoms(InputFunction) for rate in rates),
        "coupled channels": any(isinstance(s, Param) and s.shape for rate in rates for s in rate.free_symbols),
    }
    return [word for word, there in declared.items() if there]


def _fields(expr: sp.Expr) -> set[AppliedUndef]:
    """Fields that are no covector of a bracket."""
    return {u for u in expr.atoms(AppliedUndef) if t in u.args and u.func.__name__[:1] not in ("F", "G", "f", "g", "_")}


def _without_fields(expr: sp.Expr) -> sp.Expr:
    """The expression with a number for every field, input and derivative, which all have t for an argument."""
    plain = expr.xreplace({d: sp.Integer(1) for d in expr.atoms(sp.Derivative)})
    return plain.xreplace({u: sp.Integer(1) for u in plain.atoms(AppliedUndef)})
