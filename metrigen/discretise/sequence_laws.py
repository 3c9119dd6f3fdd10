"""The law of the emitted step of a sequence: what is printed is the exponential, and it contracts.

With P A + A^T P <= 0 (the law ``contraction``) and d = exp(hA) d_0, the rate of |d|^2 = d.P d along h is
d.(P A + A^T P) d <= 0: the exact exponential contracts where the dynamics does. That the emitted entries are those of
exp(hA) is checked on the program itself, run in double precision against the exponential at 40 digits. A coupling of
channels follows it by a rotation, orthogonal in the same norm; the whole step is then checked for a few channels too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import mpmath
import numpy as np
import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.errors import REPORT, StructureError
from metrigen.ir.evaluate import evaluate
from metrigen.ir.interpreter import run
from metrigen.ir.nodes import Kind, Load
from metrigen.physics.derivation import Derivation, Law

if TYPE_CHECKING:
    from metrigen.integrators.scan import Scan

POINTS = 40
# Entries are at most one and sums of a few products; the argument of an exponential of size 30 costs 30 roundings.
TOLERANCE = 1e-12
# Of a coupled step: channels of one block, and random systems of them.
CHANNELS, COUPLED_POINTS = 3, 8
_SQUARE = (CHANNELS, CHANNELS)


def sequence_laws(derivation: Derivation, scan: Scan) -> tuple[Law, ...]:
    """The law ``step_contraction``. Raises StructureError where the emitted step is not the exponential."""
    signs = _signs(derivation)
    rng = np.random.default_rng(0)
    contraction = derivation.law("contraction")
    names = [a.name for a in (*scan.cell.tokens, *scan.cell.params)]
    for _ in range(POINTS):
        scale = 10.0 ** rng.uniform(-4, 1)
        values = {n: _drawn(rng, scale, signs.get(n, sp.S.One)) for n in names}
        error, at = _error(scan, values)
        if error > TOLERANCE:
            raise StructureError(
                "the emitted step is not the exponential of the dynamics",
                law="step_contraction",
                residual=sp.Float(error),
                witness=", ".join(f"{n}={v:.3g}" for n, v in values.items()) + f" in entry {at}",
                fix=REPORT,
                see="compiler-fault",
            )
    step = "E = exp(h A)"
    if scan.rotations:
        _check_turned(scan, signs)
        step = "R E with R^T R = 1, R = (1 - sB)^-1 (1 + sB), and E = exp(h A)"
    how = f"{step} (closed form, compared at {POINTS} random points) and " + contraction.how
    return (contraction.inherited("step_contraction", how),)


def _error(scan: Scan, values: dict[str, float]) -> tuple[float, tuple[int, int]]:
    """The largest difference of an entry of E from exp(hA)."""
    given = {n: np.full((1, 1), v) for n, v in values.items()}
    made = run(scan.prologue, {n: np.full(1, v) for n, v in values.items()})
    given |= {n: np.asarray(x).reshape(1, 1) for n, x in made.items()}
    found = run(scan.propagator, given)
    size = range(len(scan.fields))
    exact = _exponential(scan, values)
    entries = list(found.values())
    n = len(scan.fields)
    errors = {(i, j): abs(float(entries[i * n + j].squeeze()) - float(exact[i, j])) for i in size for j in size}
    worst = max(errors, key=lambda at: errors[at])
    largest = max(1.0, *(abs(float(exact[i, j])) for i in size for j in size))
    return errors[worst] / largest, worst


def _exponential(scan: Scan, values: Mapping[str, float]) -> mpmath.matrix:
    """exp(hA) at 40 digits."""
    size = range(len(scan.fields))
    atoms = {s: values[s.name] for e in (*sum(scan.cell.A, ()), scan.cell.dt) for s in e.free_symbols}
    h = evaluate(scan.cell.dt, atoms)
    with mpmath.workdps(40):
        return mpmath.expm(mpmath.matrix([[h * evaluate(scan.cell.A[i][j], atoms) for j in size] for i in size]))


def _check_turned(scan: Scan, signs: Mapping[str, sp.Basic]) -> None:
    """The emitted step of a few channels against R exp(hA), applied to the difference of two states."""
    rng = np.random.default_rng(1)
    kinds = {a.name: a.kind for a in (*scan.cell.params, *scan.cell.rotation_arrays)}
    for _ in range(COUPLED_POINTS):
        scale = 10.0 ** rng.uniform(-2, 0.5)
        shapes: dict[str, tuple[int, ...]] = {a.name: (1, CHANNELS) for a in scan.cell.tokens}
        shapes |= {n: () if kind is Kind.SCALAR else (CHANNELS,) for n, kind in kinds.items()}
        values = {n: np.asarray(_drawn(rng, scale, signs.get(n, sp.S.One), shape)) for n, shape in shapes.items()}
        for a in (a for a in scan.cell.rotation_arrays if a.kind is Kind.MATRIX):
            drawn = rng.standard_normal((CHANNELS, CHANNELS)) * scale
            values[a.name] = (drawn - drawn.T) / 2
        states = rng.standard_normal((2, len(scan.fields), 1, CHANNELS))
        moved = [_stepped(scan, values, x) for x in states]
        error = float(np.abs(moved[1] - moved[0] - _turned(scan, values, (states[1] - states[0])[:, 0])).max())
        if error > TOLERANCE * max(1.0, float(np.abs(moved).max())):
            raise StructureError(
                "the emitted step is not the exponential of every channel and a rotation of the channels",
                law="step_contraction",
                residual=sp.Float(error),
                witness=f"{CHANNELS} channels, numbers of size {scale:.3g}",
                fix=REPORT,
                see="compiler-fault",
            )


def _stepped(scan: Scan, values: Mapping[str, np.ndarray], state: np.ndarray) -> np.ndarray:
    """The emitted step of states (fields, 1, C)."""
    given = {n: np.broadcast_to(x, (1, CHANNELS)) for n, x in values.items() if x.ndim < 2 or len(x) == 1}
    for program in (scan.prologue, scan.rotation):
        made = run(program, values)
        given |= {n: x if x.ndim == 2 else np.broadcast_to(x, (1, CHANNELS)) for n, x in made.items()}
    found = run(scan.step, given | dict(zip(scan.fields, state, strict=True)))
    return np.stack([x[0] for x in found.values()])


def _turned(scan: Scan, values: Mapping[str, np.ndarray], apart: np.ndarray) -> np.ndarray:
    """R exp(hA) of differences (fields, C), R by its defining equation with an inverse."""
    moved = np.empty_like(apart)
    for c in range(CHANNELS):
        here = {n: float(np.broadcast_to(x, (1, CHANNELS))[0, c]) for n, x in values.items() if x.shape != _SQUARE}
        exact = _exponential(scan, here)
        moved[:, c] = [sum(float(exact[i, j]) * x for j, x in enumerate(apart[:, c])) for i in range(len(apart))]
    for rotation in scan.cell.rotations:
        angle = evaluate(rotation.angle, {s: float(values[s.name]) for s in rotation.angle.free_symbols})
        scaled, one = float(angle) * values[rotation.matrix.name], np.eye(CHANNELS)
        at = scan.fields.index(rotation.field)
        moved[at] = np.linalg.inv(one - scaled) @ (one + scaled) @ moved[at]
    return moved


def _signs(derivation: Derivation) -> dict[str, sp.Basic]:
    """Symbols and inputs by name, for their assumptions."""
    expressions = [*derivation.equations.values(), derivation.hamiltonian, derivation.system.stepper.dt]
    atoms = [a for e in expressions for a in (*sp.sympify(e).free_symbols, *sp.sympify(e).atoms(AppliedUndef))]
    return {a.func.__name__ if isinstance(a, AppliedUndef) else a.name: a for a in atoms if not isinstance(a, Load)}


def _drawn(rng: np.random.Generator, scale: float, what: sp.Basic, shape: tuple[int, ...] = ()) -> Any:
    value = rng.standard_normal(shape or None) * scale
    return abs(value) if what.is_nonnegative else value
