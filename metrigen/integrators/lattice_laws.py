"""The laws once more, for the stencil that is emitted.

The null test of the lattice is that of the continuum with the discrete variation: a density is a total difference
exactly when its variation vanishes. Where the expression does not cancel by expansion it is evaluated on random
states with the interpreter, and the verdict says so.
"""

from __future__ import annotations

import numpy as np
import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.errors import StructureError
from metrigen.integrators.dynamics import Dynamics
from metrigen.ir.interpreter import run
from metrigen.ir.nodes import Kind, Map, Program
from metrigen.passes.channels import merge_channel_maps
from metrigen.physics.derivation import Bilinear, Law

_CHANNELS, _SIZE, _TRIALS, _SEED = 2, 5, 3, 20
_TOLERANCE = 1e-11


def lattice_laws(dynamics: Dynamics) -> tuple[Law, ...]:
    """Antisymmetry and Jacobi of the bracket, symmetry and positivity of the metric, as emitted.

    Raises StructureError with a numeric witness where the stencil breaks a law that the continuum keeps.
    """
    derivation = dynamics.derivation
    laws: list[Law] = []
    if derivation.bracket is not None:
        laws.append(_symmetry(dynamics, derivation.bracket, "bracket", "lattice_antisymmetry"))
        laws.append(_jacobi(dynamics, derivation.bracket))
    if derivation.metric is not None:
        laws.append(_symmetry(dynamics, derivation.metric, "metric", "lattice_metric_symmetry"))
        laws.append(_positivity(dynamics, derivation.metric))
    return tuple(laws)


def _symmetry(dynamics: Dynamics, bilinear: Bilinear, part: str, name: str) -> Law:
    """b(f, g) = -+ b(g, f): by construction where derivatives occur, else E_f[b(f, g) +- b(g, f)] = 0."""
    sign = 1 if part == "bracket" else -1
    if bilinear.form.has(sp.Derivative):
        word = "-" if sign > 0 else "+"
        return Law(name, "proved", f"by construction: emitted as (b(f, g) {word} b(g, f))/2, varied in f")
    both = (*bilinear.left, *bilinear.right)
    mirrored = Bilinear(
        bilinear.form.xreplace(dict(zip(both, (*bilinear.right, *bilinear.left), strict=True))),
        bilinear.left,
        bilinear.right,
    )
    sum_ = Bilinear(bilinear.form + sign * mirrored.form, bilinear.left, bilinear.right)
    if sp.expand(sum_.form) == 0:
        return Law(name, "proved", "the density is its own mirror image at every site")
    operator = merge_channel_maps(dynamics.operator(sum_, part))
    rows = [e for s in operator.body if isinstance(s, Map) for _, e in s.stores]
    if all(sp.expand(e) == 0 for e in rows):
        return Law(name, "proved", "discrete variation of b(f, g) " + ("+" if sign > 0 else "-") + " b(g, f) vanishes")
    worst = _largest(dynamics, operator)
    if worst > _TOLERANCE:
        raise StructureError(
            f"the stencil of the {part} breaks {name}", law=name, part=part, residual=sp.Add(*rows),
            witness=f"{worst:.3g} on a random state of {_SIZE} sites per axis",
        )  # fmt: skip
    return Law(name, "sampled", f"{_TRIALS} random states, {_CHANNELS} channels", f"largest defect {worst:.1e}")


def _jacobi(dynamics: Dynamics, bracket: Bilinear) -> Law:
    if not bracket.form.has(sp.Derivative):
        law = dynamics.derivation.law("jacobi")
        return Law("lattice_jacobi", law.verdict, "pointwise: the law of the continuum at every site", law.detail)
    if bracket.form.atoms(AppliedUndef) <= {*bracket.left, *bracket.right}:
        return Law("lattice_jacobi", "proved", "constant coefficients")
    return Law(
        "lattice_jacobi", "sampled", "not decided: the coefficients depend on the state",
        "differences obey no Leibniz rule, so a bracket that is Poisson in the continuum may lose it",
    )  # fmt: skip


def _positivity(dynamics: Dynamics, metric: Bilinear) -> Law:
    """f M f >= 0: inherited where the metric is pointwise, sampled with eigenvalues otherwise."""
    name = "lattice_metric_psd"
    if not metric.form.has(sp.Derivative):
        law = dynamics.derivation.law("metric_psd")
        return Law(name, law.verdict, "pointwise: the law of the continuum at every site", law.detail)
    operator = dynamics.operator(metric, "metric")
    smallest = min(_quadratic(dynamics, operator, trial) for trial in range(_TRIALS))
    if smallest < -_TOLERANCE:
        law = dynamics.derivation.law("metric_psd")
        if law.verdict == "conditional":
            return Law(name, "conditional", "as in the continuum", law.detail)
        raise StructureError(
            "the stencil of the metric is not positive", law=name, part="metric", residual=metric.form,
            witness=f"f M f = {smallest:.3g} for a random f",
        )  # fmt: skip
    return Law(name, "sampled", f"smallest f M f / f f of {_TRIALS} random states", f"{smallest:.1e}")


def _values(dynamics: Dynamics, operator: Program, trial: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng([_SEED, trial])
    rank = len(dynamics.origin)
    shapes = {
        Kind.SITE: (1, _CHANNELS, *[_SIZE] * rank),
        Kind.CHANNEL: (_CHANNELS,),
        Kind.SCALAR: (),
        Kind.MATRIX: (_CHANNELS, _CHANNELS),
    }
    forms = [b.form for b in (dynamics.derivation.bracket, dynamics.derivation.metric) if b is not None]
    signed = {a.name for u, a in dynamics.lowering.arrays.items() if u.is_nonnegative}
    signed |= {s.name for form in forms for s in form.free_symbols if s.is_nonnegative}
    values = {}
    for array in operator.inputs:
        x = rng.normal(size=shapes[array.kind])
        x = x + array.symmetry * x.T if array.symmetry else x
        values[array.name] = np.abs(x) + 0.1 if array.positive or array.name in signed else x
    return values


def _largest(dynamics: Dynamics, operator: Program) -> float:
    worst = 0.0
    for trial in range(_TRIALS):
        out = run(operator, _values(dynamics, operator, trial))
        worst = max(worst, *(float(np.abs(x).max()) for x in out.values()))
    return worst


def _quadratic(dynamics: Dynamics, operator: Program, trial: int) -> float:
    values = _values(dynamics, operator, trial)
    out = run(operator, values)
    pairs = [(values[f"{a.name}__right"], out[f"{a.name}__left__bar"]) for a in dynamics.state]
    norm = sum(float((f * f).sum()) for f, _ in pairs)
    return sum(float((f * image).sum()) for f, image in pairs) / norm
