"""Well-posedness: the growth rate of a short wave must stay bounded as its wave number grows.

The right side is linearised at a frozen state; with A(ik) its symbol, max Re eig A(ik) is compared at |k| = 10^2 and
10^4. A quadratic energy that is not negative and does not grow proves it without sampling.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import mpmath
import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.physics import channels, steady
from metrigen.physics.derivation import Law
from metrigen.physics.effort import LAW, Partials, count_ops, limited, spend
from metrigen.physics.jets import Jet, jets_of, label
from metrigen.physics.opaque import LearnedValue, opaque, undeclared
from metrigen.physics.principal import by_principal_part, in_energy_space
from metrigen.physics.report import short, violation
from metrigen.physics.semilinear import is_semilinear
from metrigen.physics.size import TooLarge
from metrigen.physics.state import State
from metrigen.physics.zero import Evaluator, Point, random_point
from metrigen.spec.neural import heads

Entries = dict[tuple[int, int], list[tuple[tuple[int, ...], sp.Expr]]]

_WAVES = (100, 10000)
_SEEDS = (0, 2, 4, 1, 3, 5)
_LARGEST = 12  # components
_EIGENVALUES = 3  # operations of the eigenvalues of a matrix, by the cube of its size
_LONGEST, _LONGEST_WITH_MAPS = 6000, 1000  # operations in the rates


def check_well_posed(state: State, laws: tuple[Law, ...]) -> tuple[Law, ...]:
    """The law ``well_posed`` of a PDE; nothing for ordinary differential equations."""
    try:
        with limited(LAW):
            return _well_posed(state, laws)
    except TooLarge as error:
        return (Law("well_posed", "sampled", f"not decided: {error.short}"),)


def _well_posed(state: State, laws: tuple[Law, ...]) -> tuple[Law, ...]:
    if state.axes and state.rates is None:
        return (Law("well_posed", "sampled", "not tested: the equations are too large to be written out"),)
    rates = state.rates or ()
    if not state.axes or not any(j.order for rate in rates for j in jets_of(rate, *state.fields)):
        return () if not state.axes else (Law("well_posed", "proved", "no space derivative acts on the state"),)
    positive = all(law.verdict == "proved" for law in laws if law.name == "metric_psd")
    if positive and _energy_estimate(state):
        return (Law("well_posed", "proved", "energy estimate: H is a non-negative quadratic form and does not grow"),)
    if positive and is_semilinear(state):
        how = "semilinear: the linear part does not grow, the rest has no derivatives"
        return (Law("well_posed", "proved", how, "while the fields stay bounded"),)
    proof = (in_energy_space(state) if positive else None) or by_principal_part(state)
    if proof is not None and proof.verdict == "proved":
        return (proof,)
    how = "frozen-coefficient symbol at random states, |k| = 1e2 and 1e4"
    entries = linearised(state, rates)
    if entries is None:
        return (Law("well_posed", "sampled", f"not tested: {_limit(state, rates)}"),)
    coefficients = [opaque(c, conditions=True) for terms in entries[1].values() for _, c in terms]
    free = any(undeclared(c) for c in coefficients)
    compiled = Evaluator.of(coefficients)
    points = [random_point(sp.Tuple(*coefficients), seed) for seed in _SEEDS]
    good, bad = _tried(state, entries, compiled, points)
    if bad and not good:
        calm, rough = _tried(state, entries, compiled, [_flat(point) for point in points])
        if calm and not rough:
            detail = "no growth at constant states; at others the frozen symbol grows, perhaps at a lower order"
            return (Law("well_posed", "sampled", how, detail, bad[0]),)
    # A metric or a learned value of free sign may be negative at every point tried: a condition on it, no refusal.
    if bad and not good and positive and not free:
        raise violation(
            "the equations are ill-posed: short waves grow without bound",
            law="well_posed",
            residual=rates[0],
            part=_culprit(state),
            why="the linearised growth rate increases with the wave number (a backward heat equation, an energy or an "
            "entropy of the wrong convexity, an elliptic equation in time)",
            witness=bad[0],
            fix="check the signs of the squared derivatives in the energy",
        )
    if proof is not None:
        return (proof,)
    if bad:
        detail = f"not at every state: {bad[0]}"
        for values in _curvatures(points[0]) if free else ():
            calm, rough = _tried(state, entries, compiled, [_made_positive(point, values) for point in points])
            if calm and not rough:
                detail = "no growth found where " + " and ".join(f"{label(s)} >= 0" for s in values)
                break
        return (Law("well_posed", "conditional", how, detail, bad[0]),)
    return (Law("well_posed", "sampled", how, f"no growth found at {good} states{_granted(rates)}"),)


def _granted(rates: Sequence[sp.Expr]) -> str:
    """The conditions that the states tried were granted."""
    convex = [head.name for head in heads(*rates) if head.convex]
    return "".join(f", with {name} convex as declared" for name in convex)


def _tried(
    state: State, linear: tuple[int, Entries], compiled: Evaluator, points: list[Point]
) -> tuple[int, list[str]]:
    """At how many points short waves do not grow, and witnesses of those where they do."""
    found = [verdict for point in points if (verdict := _at(state, linear, compiled, point)) is not None]
    return sum(not grows for grows, _ in found), [text for grows, text in found if grows]


def _flat(point: Point) -> Point:
    """The point with every derivative zero: a constant state, where the frozen symbol is the exact one."""
    return {s: sp.S.Zero if isinstance(s, Jet) and s.order else value for s, value in point.items()}


def _made_positive(point: Point, values: Sequence[LearnedValue]) -> Point:
    return {s: abs(value) if s in values else value for s, value in point.items()}


def _curvatures(point: Point) -> list[list[LearnedValue]]:
    """Signs that a condition on learned functions may ask for: their values, their curvatures, or both."""
    free = [s for s in point if isinstance(s, LearnedValue) and not s.is_nonnegative]
    sets = ([s for s in free if s.atom.head.order in orders] for orders in ((0,), (2,), (0, 2)))
    return [values for values in sets if values]


def _culprit(state: State) -> str:
    """The part of a spec whose signs decide."""
    if state.metric is not None:
        return "metric"
    return "hamiltonian" if state.lagrangian is None else "lagrangian"


def _energy_estimate(state: State) -> bool:
    """z_t = J dH - M dH with state-independent J and M >= 0, and a quadratic density H >= 0: H does not grow."""
    if state.entropy is not None or channels.has_maps(state.hamiltonian):
        return False
    for form in (state.bracket, state.metric):
        if form is not None and any(j.base in state.fields for j in jets_of(form.density)):
            return False
    return steady.nonnegative(state.hamiltonian, state.covectors, state.fields)


def _limit(state: State, rates: Sequence[sp.Expr]) -> str:
    """Which limit the linearisation met."""
    if len(state.fields) > _LARGEST:
        return f"{len(state.fields)} fields, more than {_LARGEST} components"
    return f"the equations have {_operations(rates)} operations or more"


def _operations(rates: Sequence[sp.Expr]) -> int:
    return sum(count_ops(rate, _LONGEST) for rate in rates)


def linearised(state: State, rates: Sequence[sp.Expr]) -> tuple[int, Entries] | None:
    """(n, {(i, j): [(orders in space, coefficient)]}) of the Frechet derivative, channels written out if coupled."""
    mixed = any(channels.has_maps(rate) for rate in rates)
    count = 2 if mixed else 1
    n = len(state.fields) * count
    if n > _LARGEST or _operations(rates) > (_LONGEST_WITH_MAPS if mixed else _LONGEST):
        return None
    out: Entries = {}
    for i, rate in enumerate(rates):
        components = channels.explicit(rate, count) if mixed else [rate]
        for c, component in enumerate(components):
            partials = Partials(component)
            for j, u, orders, symbol in _variables(rate, state.fields, count, mixed):
                coefficient = partials.along(symbol)
                if not coefficient.is_zero:
                    place = state.fields.index(u) * count + j
                    out.setdefault((i * count + c, place), []).append((orders, coefficient))
    return n, out


def _variables(
    rate: sp.Expr, fields: tuple[AppliedUndef, ...], count: int, mixed: bool
) -> Iterator[tuple[int, AppliedUndef, tuple[int, ...], sp.Symbol]]:
    for j in jets_of(rate, *fields):
        for d in range(count):
            yield d, j.base, j.orders[1:], channels.indexed(j, d) if mixed else j


def _at(state: State, linear: tuple[int, Entries], compiled: Evaluator, point: Point) -> tuple[bool, str] | None:
    """(grows, witness) at one frozen state; None where an expression has no real value."""
    n, entries = linear
    values = compiled.at(point)
    if values is None:
        return None
    stream = iter(values)
    frozen = {key: [(orders, next(stream)) for orders, _ in terms] for key, terms in entries.items()}
    for direction in _directions(len(state.axes)):
        low, high = (_growth(n, frozen, direction, k) for k in _WAVES)
        if high > 5 * max(low, mpmath.mpf("1e-3")):
            where = ", ".join(f"{label(s)}={short(v)}" for s, v in _shown(point))
            slow, fast = (short(sp.Float(str(value))) for value in (low, high))
            text = f"the growth rate is {slow} at |k| = 100 and {fast} at 1e4"
            return True, f"{where}: {text}" if where else text
    return False, ""


def _shown(point: Point) -> list[tuple[sp.Symbol, sp.Expr]]:
    return list(point.items())[:6]


def _directions(dimensions: int) -> list[tuple[float, ...]]:
    """The axes, and one oblique direction."""
    axes = [tuple(1.0 if i == j else 0.0 for j in range(dimensions)) for i in range(dimensions)]
    oblique = [(0.6, 0.8), (0.36, 0.48, 0.8)]
    return axes + ([oblique[dimensions - 2]] if dimensions > 1 else [])


def _growth(
    n: int,
    frozen: dict[tuple[int, int], list[tuple[tuple[int, ...], mpmath.mpf]]],
    direction: tuple[float, ...],
    k: int,
) -> mpmath.mpf:
    """max Re eig A(ik)."""
    spend(_EIGENVALUES * n**3, f"the eigenvalues of a matrix of {n} rows")
    with mpmath.workdps(40):
        matrix = mpmath.matrix(n, n)
        for (i, j), terms in frozen.items():
            value = mpmath.mpc(0)
            for orders, c in terms:
                factor = mpmath.mpc(1)
                for component, order in zip(direction, orders, strict=True):
                    factor *= mpmath.mpc(0, k * mpmath.mpf(component)) ** order
                value += c * factor
            matrix[i, j] = value
        eigenvalues = mpmath.eig(matrix, left=False, right=False) if n > 1 else [matrix[0, 0]]
        return max(mpmath.re(value) for value in eigenvalues)
