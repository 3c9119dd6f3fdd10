"""The law of the emitted step of a sequence: what is printed is the exponential, and it contracts.

With P A + A^T P <= 0 (the law ``contraction``) and d = exp(hA) d_0, the rate of |d|^2 = d.P d along h is
d.(P A + A^T P) d <= 0: the exact exponential contracts where the dynamics does. That the emitted entries are those of
exp(hA) is checked on the program itself, run in double precision against the exponential at 40 digits.
"""

from __future__ import annotations

import mpmath
import numpy as np
import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.errors import StructureError
from metrigen.integrators.scan import Scan
from metrigen.ir.evaluate import evaluate
from metrigen.ir.interpreter import run
from metrigen.ir.nodes import Leaf
from metrigen.physics.derivation import Derivation, Law

POINTS = 40
# Entries are at most one and sums of a few products; the argument of an exponential of size 30 costs 30 roundings.
TOLERANCE = 1e-12


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
            )
    how = f"E = exp(h A) (closed form, compared at {POINTS} random points) and " + contraction.how
    return (Law("step_contraction", contraction.verdict, how, contraction.detail),)


def _error(scan: Scan, values: dict[str, float]) -> tuple[float, tuple[int, int]]:
    """The largest difference of an entry of E from exp(hA)."""
    given = {n: np.full((1, 1), v) for n, v in values.items()}
    if scan.prologue is not None:
        made = run(scan.prologue, {n: np.full(1, v) for n, v in values.items()})
        given |= {n: np.asarray(x).reshape(1, 1) for n, x in made.items()}
    found = run(scan.propagator, given)
    size = range(len(scan.fields))
    atoms = {s: values[s.name] for e in (*sum(scan.cell.A, ()), scan.cell.dt) for s in e.free_symbols}
    h = evaluate(scan.cell.dt, atoms)
    with mpmath.workdps(40):
        exact = mpmath.expm(mpmath.matrix([[h * evaluate(scan.cell.A[i][j], atoms) for j in size] for i in size]))
    entries = list(found.values())
    n = len(scan.fields)
    errors = {(i, j): abs(float(entries[i * n + j].squeeze()) - float(exact[i, j])) for i in size for j in size}
    worst = max(errors, key=lambda at: errors[at])
    largest = max(1.0, *(abs(float(exact[i, j])) for i in size for j in size))
    return errors[worst] / largest, worst


def _signs(derivation: Derivation) -> dict[str, sp.Basic]:
    """Symbols and inputs by name, for their assumptions."""
    expressions = [*derivation.equations.values(), derivation.hamiltonian, derivation.system.integrator.dt]
    atoms = [a for e in expressions for a in (*sp.sympify(e).free_symbols, *sp.sympify(e).atoms(AppliedUndef))]
    return {a.func.__name__ if isinstance(a, AppliedUndef) else a.name: a for a in atoms if not isinstance(a, Leaf)}


def _drawn(rng: np.random.Generator, scale: float, what: sp.Basic) -> float:
    value = float(rng.standard_normal()) * scale
    return abs(value) if what.is_nonnegative else value
