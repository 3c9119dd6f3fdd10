"""Explicit time: where a density depends on t by itself, and the rate at which its functional then moves.

    dH/dt = dH . z_t + (dH/dt)_z         the second part at a fixed state

t is a real number like a parameter, the same at every site; what is asked of a bracket or a metric is asked at every t.
"""

from __future__ import annotations

from dataclasses import replace

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.physics.conditions import within
from metrigen.physics.declared import symbols_in
from metrigen.physics.derivation import Law
from metrigen.physics.jets import label, to_jets
from metrigen.physics.report import labelled, short, show
from metrigen.physics.zero import DIGITS, Evaluator, random_point
from metrigen.spec.symbols import InputFunction, Param, t

POINT, INT, SUM = "", "int ", "sum "
# Draws of the parameters, their spreads, and the times at which a sign is looked at: from 1/16 to 4096, unevenly.
_DRAWS, _SPREADS = 12, (2.0, 0.3, 1.0)
_MOMENTS = tuple(2.0**k * (1 + 0.61803398875 * i % 1) for k in range(-4, 12) for i in range(8))


def is_timed(expr: sp.Expr) -> bool:
    """Whether an expression depends on t beyond the arguments of its functions."""
    return t in symbols_in(expr)


def is_driven(expr: sp.Expr) -> bool:
    """Whether an input in it has a value of its own at every step."""
    return any(isinstance(f, InputFunction) and t in f.args for f in expr.atoms(AppliedUndef))


def moves(expr: sp.Expr) -> bool:
    """Whether the value of a functional changes by itself, at a fixed state."""
    return is_timed(expr) or is_driven(expr)


def explicit_rate(density: sp.Expr, inputs_move: bool = False) -> sp.Expr:
    """The derivative of a density by t at a fixed state, and at fixed inputs where these do not move."""
    if not (moves(density) if inputs_move else is_timed(density)):
        return sp.S.Zero
    held = {f: _held(f) for f in density.atoms(AppliedUndef) if t in f.args}
    if inputs_move:
        held = {f: still for f, still in held.items() if not isinstance(f, InputFunction)}
    back = {still: f for f, still in held.items()}
    return sp.sympify(density.xreplace(held)).diff(t).xreplace(back)


def but_for_explicit(law: Law, hamiltonian: sp.Expr, verb: str, over: str, noisy: bool = False) -> Law:
    """The law of the energy with what its own dependence on t adds to it; the same law where there is none.

    verb   what the energy does else
    over   what makes its density an energy: int, sum, or nothing at a point
    noisy  whether noise changes it as well
    """
    rate = explicit_rate(hamiltonian, inputs_move=True)
    if rate == 0:
        return law
    density = show(to_jets(rate)) if over == SUM else labelled(to_jets(rate))  # maps along edges keep their functions
    told = f"{verb} but for {'the noise and ' if noisy else ''}the explicit dH/dt = {over}{density}"
    return replace(law, detail=f"{law.detail}; {told}" if law.detail else told)


def broken_later(expr: sp.Expr) -> str:
    """A time t > 0 at which an expression in jets is negative, "t=2.5, w=1.2 gives -0.99", where such a time comes for
    all of the values of the parameters that are tried; "" else, and where the state decides as well."""
    others = [s for s in expr.free_symbols if s != t]
    if not is_timed(expr) or not all(type(s) is sp.Symbol or isinstance(s, Param) for s in others):
        return ""
    compiled, first = Evaluator.of((expr,)), ""
    for seed in range(_DRAWS if others else 1):
        point = within(random_point(expr, seed, _SPREADS[seed % len(_SPREADS)]))
        places = ({**point, t: sp.Float(moment, DIGITS)} for moment in _MOMENTS)
        tried = ((at, values[0]) for at in places if (values := compiled.at(at)) is not None)
        found = next(((at, value) for at, value in tried if value < 0), None)
        if found is None:
            return ""
        where = ", ".join(f"{label(s)}={short(v)}" for s, v in found[0].items())
        first = first or f"{where} gives {short(found[1])}"
    return first


def _held(f: AppliedUndef) -> sp.Expr:
    """A function of the same places that does not move: derivatives along the axes see it as they see ``f``."""
    rest = tuple(a for a in f.args if a != t)
    name, signs = f"held:{f.func.__name__}", {"positive": f.is_positive, "nonnegative": f.is_nonnegative}
    known = {sign: True for sign, holds in signs.items() if holds}
    return sp.Function(name, real=True, **known)(*rest) if rest else sp.Dummy(name, real=True, **known)
