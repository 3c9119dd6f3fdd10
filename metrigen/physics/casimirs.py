"""Casimirs: functionals C with J dC = 0, which the bracket conserves whatever the Hamiltonian."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.errors import SpecError
from metrigen.physics import channels, linear
from metrigen.physics.clock import is_timed
from metrigen.physics.derivation import Law
from metrigen.physics.jets import jet, to_jets
from metrigen.physics.operators import Form
from metrigen.physics.report import identity, show, violation, witness
from metrigen.physics.size import TooLarge
from metrigen.physics.state import State, functional_derivatives
from metrigen.physics.work_budget import LAW, limited
from metrigen.physics.zero import Zero, all_zero, every, zero_test

NAME = "casimir"


def casimirs(state: State) -> tuple[dict[str, sp.Expr], Law | None]:
    """The densities of the declared Casimirs and of the linear ones that are found, by name, and the law J dC = 0.

    Raises StructureError where a declared one is none, SpecError where there is no bracket.
    """
    declared = {name: sp.sympify(density) for name, density in (state.system.casimirs or {}).items()}
    if state.bracket is None:
        if declared:
            raise SpecError(
                "casimirs= needs a bracket",
                part="casimirs",
                why="a Casimir is conserved by a Poisson bracket whatever the Hamiltonian; this is a gradient flow",
                fix="drop casimirs=, or give bracket=",
                see="casimirs",
            )
        return {}, None
    try:
        with limited(LAW):
            tests = [_check(state, state.bracket, name, density) for name, density in declared.items()]
            found = _linear(state, state.bracket)
    except TooLarge as error:
        return declared, Law(NAME, "sampled", f"not decided: {error.short}")
    known = {**declared, **{name: density for name, density in found.items() if density not in declared.values()}}
    if not known:
        return {}, None
    detail = _under_metric(state, known)
    return known, identity(NAME, f"J dC = 0 identically for {', '.join(known)}", every(tests), detail)


def _check(state: State, form: Form, name: str, density: sp.Expr) -> Zero:
    if is_timed(density):
        raise SpecError(
            f"the Casimir {name!r} depends on the time",
            part="casimirs",
            why="J dC = 0 keeps a functional of the state alone; this one moves at a fixed state as well",
            fix="the densities beside each factor of t, each a Casimir of its own",
            see="casimirs",
        )
    tests = []
    for u, residual in zip(
        state.fields, form.apply(functional_derivatives(to_jets(density), state.fields)), strict=True
    ):
        tests.append(zero_test(residual))
        if not tests[-1]:
            raise violation(
                f"{name!r} is not a Casimir of the bracket: {{C, .}} is not zero",
                law=NAME,
                residual=residual,
                part="casimirs",
                why=f"component {u.func.__name__} of J dC: {show(residual)}",
                witness=witness(residual),
                fix="correct the density; what one Hamiltonian conserves and others do not is no Casimir: give its "
                "symmetry in symmetries=",
            )
    return every(tests)


def _linear(state: State, form: Form) -> dict[str, sp.Expr]:
    """The totals int c.z that the bracket conserves: J c = 0 for constants c. Single fields; for constant coefficients
    the whole kernel, where derivatives vanish and the matrix of order zero is left."""
    fields = state.fields
    if form.constant() and not channels.has_maps(form.density):
        matrix = [[row.diff(jet(g)) for g in form.right] for row in form.rows]
        vectors = linear.null_vectors(matrix)
    else:
        unit = [[sp.Integer(i == j) for j in range(len(fields))] for i in range(len(fields))]
        vectors = [c for c in unit if all_zero(_constant(form, c)).proved]
    densities = [sp.Add(*(c * u for c, u in zip(vector, fields, strict=True))) for vector in vectors]
    out: dict[str, sp.Expr] = {}
    for density in densities:
        if density in fields and _every_function(form, fields, density):
            out[f"int f({_name(density)}) for every function f"] = sp.Function("f", real=True)(density)
        else:
            out[f"int {_name(density)}"] = density
    return out


def _every_function(form: Form, fields: Sequence[AppliedUndef], u: AppliedUndef) -> bool:
    """J d(int exp(s u)) = 0 for every number s is linear in f', f'', ... of f(u) = exp(s u), whose coefficients are
    then all zero: int f(u) is a Casimir for every f."""
    s = sp.Symbol("s[]", real=True)
    slopes = [s * sp.exp(s * jet(u)) if v == u else sp.S.Zero for v in fields]
    return all_zero(form.apply(slopes)).proved


def _constant(form: Form, values: Sequence[sp.Expr]) -> list[sp.Expr]:
    """J c for constants c."""
    of = dict(zip(form.right, values, strict=True))
    table = {
        j: sp.S.Zero if j.order else of[j.base]
        for row in form.rows
        for j in sorted(row.free_symbols, key=str)
        if getattr(j, "base", None) in of
    }
    return [row.xreplace(table) for row in form.rows]


def _name(density: sp.Expr) -> str:
    plain = {u: sp.Symbol(u.func.__name__, real=True) for u in density.atoms(sp.Function)}
    return str(density.xreplace(plain)).replace(" ", "")


def _under_metric(state: State, known: Mapping[str, sp.Expr]) -> str:
    """Which of them dissipation changes."""
    if state.metric is None:
        return ""
    try:
        with limited(LAW):
            changed = [
                name
                for name, density in known.items()
                if not all_zero(state.metric.apply(functional_derivatives(to_jets(_instance(density)), state.fields)))
            ]
    except TooLarge:
        return ""
    return f"the metric changes {', '.join(changed)}" if changed else "conserved by the metric as well"


def _instance(density: sp.Expr) -> sp.Expr:
    """f(u) = u^3 for a density that stands for every function."""
    u = family(density)
    return density if u is None else u**3


def family(density: sp.Expr) -> AppliedUndef | None:
    """The field u of a density f(u) that stands for every function f, else None."""
    inside = density.args[0] if isinstance(density, AppliedUndef) and len(density.args) == 1 else None
    return inside if isinstance(inside, AppliedUndef) else None
