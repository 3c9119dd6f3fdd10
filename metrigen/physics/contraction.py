"""Contraction of a sequence cell: two states under the same tokens never move apart.

x_t = (J - K) dH with H = x.P x/2 + x.c, P constant; J, K and c may depend on the tokens. For the difference d of two
states  d_t = A d, A = (J - K) P,  and  d/dt d.P d = d.(P A + A^T P) d = -2 (P d).K (P d) <= 0, whatever the tokens are.
With P depending on them each step contracts a norm of its own, and the product of two steps may grow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import mpmath
import sympy as sp

from metrigen.errors import SpecError
from metrigen.physics import channels, linear
from metrigen.physics.conditions import conditional
from metrigen.physics.derivation import Law
from metrigen.physics.jets import jet, jets_of, label
from metrigen.physics.positivity import signs_of_matrix
from metrigen.physics.report import short, show, violation
from metrigen.physics.signs import Sign, condition
from metrigen.physics.state import State
from metrigen.physics.work_budget import expand
from metrigen.physics.zero import Evaluator, random_point
from metrigen.spec.symbols import t

Matrix = list[list[sp.Expr]]
_MOST_MINORS = 4
_TIMES = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0)


def check_contraction(state: State, laws: Sequence[Law]) -> Law:
    """The law ``contraction``. Raises SpecError for dynamics that is not linear, StructureError where P moves."""
    _check_linear(state)
    if channels.has_maps(state.hamiltonian):
        how = "H does not grow: J is skew, K >= 0"
        detail = "where the quadratic form of H is positive definite"
        return conditional("contraction", how, detail, _minors(state))
    P = [[sp.expand(g.diff(jet(u))) for u in state.fields] for g in state.covectors]
    moving = [j for row in P for entry in row for j in jets_of(entry)]
    if moving or any(t in entry.free_symbols for row in P for entry in row):
        raise _moving_norm(state, P)
    norm = "|x|" if sp.Matrix(P) == sp.eye(len(P)) else "the norm x.P x of the energy"
    how = f"P A + A^T P <= 0 for every token: {norm} of the difference of two states does not grow"
    signs = list(signs_of_matrix(P))
    empty = next((sign for sign in signs if sign.verdict in ("negative", "zero")), None)
    if empty is not None:
        raise violation(
            "the energy is no norm of the state: two states may move apart",
            law="contraction",
            residual=empty.expr,
            part="hamiltonian",
            why=f"the quadratic form of H has the pivot {show(empty.expr)}, which is not positive",
            witness=empty.witness or _witness_of_zero(state, P),
            fix="give every field of the state a positive square in H: H = (q**2 + p**2)/2",
        )
    doubts = [(sign, condition(sign).replace(">=", ">")) for sign in signs if sign.verdict != "positive"]
    pivots = _pivots(state, P)
    open_ = [sign for sign in pivots or () if not sign.holds or sign.by_points]
    weak = [law for law in laws if law.name in ("antisymmetry", "metric_psd") and law.verdict != "proved"]
    if pivots is not None and not open_:
        how += " (pivots of the matrix)"
    elif not weak:
        how += ", by antisymmetry and metric_psd"
    elif pivots is not None:
        doubts += [(sign, condition(sign)) for sign in open_]
    else:
        where = "where " + " and ".join(law.name for law in weak) + " hold"
        return replace(weak[0], name="contraction", how=how, detail=where, witness="")
    needed = " and ".join(dict.fromkeys(text for _, text in doubts))
    if any(sign.verdict == "unknown" or sign.by_points for sign, _ in doubts):
        return Law("contraction", "sampled", how, f"not decided: {needed}")
    if doubts:
        return conditional("contraction", how, needed, [sign.expr for sign, _ in doubts])
    return Law("contraction", "proved", how, needed)


def _minors(state: State) -> list[sp.Expr]:
    """The leading minors of the Hessian of H for two channels; none where these are many."""
    total = sp.Add(*channels.explicit(state.hamiltonian, 2))
    own = [channels.indexed(jet(u), c) for u in state.fields for c in range(2)]
    if len(own) > _MOST_MINORS:
        return []
    rows = [[expand(total.diff(a).diff(b)) for b in own] for a in own]
    return [linear.determinant([row[:k] for row in rows[:k]]) for k in range(1, len(rows) + 1)]


def _witness_of_zero(state: State, P: Matrix) -> str:
    """A state other than zero without energy, read off an empty row of P."""
    free = [u.func.__name__ for u, row in zip(state.fields, P, strict=True) if all(e.is_zero for e in row)]
    return f"{free[0]}=1 and all else 0 has x.P x = 0" if free else "some state other than zero has x.P x = 0"


def _check_linear(state: State) -> None:
    def refuse(part: str, why: str) -> SpecError:
        return SpecError(
            "a Sequence takes linear dynamics",
            part=part,
            why=f"{why}; a scan over the tokens composes linear steps",
            fix="let tokens change the bracket, the metric and the drive, and keep the energy quadratic; "
            "Lattice() steps a nonlinear oscillator",
            see="sequence",
        )

    if state.entropy is not None:
        raise refuse("entropy", "the entropy makes the state heat itself")
    for form in (state.bracket, state.metric):
        if form is not None and jets_of(form.density, *state.fields):
            raise refuse(form.part, f"the {form.part} depends on the state")
    for u, g in zip(state.fields, state.covectors, strict=True):
        flat, maps = channels.lift(channels.canonical(g))
        held = [j for j in jets_of(flat, *state.fields) if jets_of(flat.diff(j), *state.fields)]
        inside = [a for s, a in maps.items() if flat.diff(s).free_symbols & {*jets_of(flat, *state.fields), *maps}]
        deep = [
            a
            for a in maps.values()
            for j in jets_of(a, *state.fields)
            if jets_of(channels.argument(a).diff(j), *state.fields)
        ]
        if held or inside or deep:
            raise refuse("hamiltonian", f"dH/d{u.func.__name__} = {show(g)} is not linear in the state")


def _pivots(state: State, P: Matrix) -> tuple[Sign, ...] | None:
    """The signs of the pivots of -(P A + A^T P); None where channels mix."""
    if state.rates is None or any(channels.has_maps(rate) for rate in state.rates):
        return None
    A = [[rate.diff(jet(u)) for u in state.fields] for rate in state.rates]
    n = range(len(P))
    PA = [[sp.Add(*(P[i][k] * A[k][j] for k in n)) for j in n] for i in n]
    return signs_of_matrix([[sp.expand(-PA[i][j] - PA[j][i]) for j in n] for i in n])


def _moving_norm(state: State, P: Matrix) -> Exception:
    entry = next(e for row in P for e in row if jets_of(e) or t in e.free_symbols)
    return violation(
        "the energy norm depends on the tokens: the state may grow without drive",
        law="contraction",
        residual=entry,
        part="hamiltonian",
        why=f"the quadratic form of H holds {show(entry)}; every step contracts a norm of its own, and a product of "
        "steps need not",
        witness=_growing_product(state),
        fix="keep H = (q**2 + p**2)/2 and put the dependence into the bracket, omega*(F[q]*G[p] - F[p]*G[q]), and "
        "the metric",
    )


def _growing_product(state: State) -> str:
    """Two token values whose steps, alternated, multiply the state by more than one; "" if none was found."""
    if state.rates is None or any(channels.has_maps(rate) for rate in state.rates):
        return ""
    entries = [rate.diff(jet(u)) for rate in state.rates for u in state.fields]
    compiled, n = Evaluator.of(entries), len(state.fields)
    points = [random_point(sp.Tuple(*entries), seed, 6.0) for seed in (0, 2, 4, 6)]
    # Parameters keep their value, only the tokens change between two steps; what may vanish does.
    tokens = jets_of(sp.Tuple(*entries))
    points = [{s: p[s] if s in tokens else points[0][s] for s in p} for p in points]
    points = [{s: sp.S.Zero if s.is_nonnegative and not s.is_positive else p[s] for s in p} for p in points]
    best, text = mpmath.mpf(1), ""
    steps = []
    for point in points:
        values = compiled.at(point)
        if values is None:
            return ""
        A = mpmath.matrix([values[i * n : (i + 1) * n] for i in range(n)])
        steps.append([mpmath.expm(A * h) for h in _TIMES])
    for i, first in enumerate(steps):
        for j, second in enumerate(steps[:i]):
            for a, one in zip(_TIMES, first, strict=True):
                for b, two in zip(_TIMES, second, strict=True):
                    rho = max(abs(v) for v in mpmath.eig(one * two, left=False, right=False))
                    if rho > best * mpmath.mpf("1.01"):
                        best = rho
                        text = f"{_said(points[i])} for {a}, then {_said(points[j])} for {b}: "
    return f"{text}the state is multiplied by {short(sp.Float(str(best)))} each time" if text else ""


def _said(point: dict[sp.Symbol, sp.Expr]) -> str:
    return ", ".join(f"{label(s)}={short(v)}" for s, v in point.items())
