"""The elliptic constraints of a system on its lattice, each as the equation A psi = r with A positive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.discretise.elliptic import Equation, Weak, refusal, weak_forms
from metrigen.ir.interpreter import dense
from metrigen.ir.nodes import Array, Inside, Kind, Map, Solve, loads
from metrigen.passes.tidy import indicators, tidy
from metrigen.passes.vary import bar

if TYPE_CHECKING:
    from metrigen.discretise.lower import Lowering

_SITES = {0: 1, 1: 9, 2: 6, 3: 4}  # per axis of the lattice on which the sign of A is read off
_DRAWS = 3
_NULL = 1e-9  # of the largest eigenvalue


def equations_of(
    lowering: Lowering, constraints: Mapping[AppliedUndef, sp.Expr], fields: tuple[AppliedUndef, ...]
) -> dict[AppliedUndef, Equation]:
    """The equation of every auxiliary field; raises SpecError where A is not symmetric, or has no sign."""
    return {psi: _equation(lowering, weak) for psi, weak in weak_forms(constraints, fields).items()}


def _equation(lowering: Lowering, weak: Weak) -> Equation:
    name = weak.psi.func.__name__
    taken = {array.name for array in lowering.inputs}
    out = name if name not in taken else f"{name}__solved"
    test = Array(f"{out}__test", Kind.SITE)
    arrays = {**lowering.arrays, weak.psi: Array(out, Kind.SITE), weak.test: test}
    program = replace(lowering, arrays=arrays).gradient("A", weak.form, (test.name,), "constraints")
    (statement,) = program.body
    assert isinstance(statement, Map)
    operator = dict(statement.stores)[bar(test.name)]
    singular = _annihilates_constants(operator, out, lowering.periodic)
    sign = _sign(lowering, Solve(out, operator, "", singular), weak)
    return Equation(out, tidy(sign * operator), singular, weak.test, sign * weak.source)


def _annihilates_constants(operator: sp.Expr, out: str, periodic: bool) -> bool:
    """Is A 1 = 0 at every site? Not with values that read zero beyond a wall."""
    own = [load for load in loads(operator) if load.array == out]
    level = {load: sp.S.One if periodic or not any(load.offset) else Inside(load.offset) for load in own}
    return indicators(sp.expand(operator.xreplace(level))).expand().is_zero is True


def _sign(lowering: Lowering, solve: Solve, weak: Weak) -> int:
    """+1 or -1, the sign of A; raises SpecError where it has none on random coefficients."""
    shape = (1, 2, *[_SITES.get(lowering.stencils.rank, 3)] * lowering.stencils.rank)
    kinds = {array.name: array.kind for array in lowering.inputs}
    spectra = []
    for draw in range(_DRAWS):
        values = _draw(lowering, solve.coefficients, weak, shape, draw)
        matrix = dense(solve, values, kinds, shape, lowering.periodic)
        spectra += list(np.linalg.eigvalsh(matrix).reshape(-1, matrix.shape[-1]))
    null = [np.abs(spectrum) <= _NULL * np.abs(spectrum).max() for spectrum in spectra]
    signs = {int(np.sign(value)) for spectrum, zero in zip(spectra, null, strict=True) for value in spectrum[~zero]}
    if len(signs) > 1 or any(zero.sum() != int(solve.singular) for zero in null):
        name, at_point = weak.psi.func.__name__, lowering.stencils.rank == 0
        what = "coefficients" if at_point else "eigenvalues"
        example = f"c*{name}" if at_point else f"{name} - div(c grad {name})"
        raise refusal(
            name,
            f"the coefficient of {name} is not known to be positive or negative"
            if at_point
            else "its operator is not positive or negative definite on the lattice",
            f"a constraint with a sign, such as {example} = w with c declared positive=True",
            f"{what} from {min(map(min, spectra)):.3g} to {max(map(max, spectra)):.3g} on random numbers",
        )
    return signs.pop() if signs else 1


def _draw(
    lowering: Lowering, names: tuple[str, ...], weak: Weak, shape: tuple[int, ...], seed: int
) -> dict[str, np.ndarray]:
    """Random coefficients of the declared signs."""
    rng = np.random.default_rng([11, seed])
    shapes = {Kind.SITE: shape, Kind.CHANNEL: shape[1:2], Kind.SCALAR: (), Kind.MATRIX: shape[1:2] * 2}
    signed = {s.name for s in weak.form.free_symbols if s.is_nonnegative}
    signed |= {array.name for f, array in lowering.arrays.items() if array.positive or f.is_nonnegative}
    values = {}
    for array in lowering.inputs:
        if array.name in names:
            x = rng.normal(size=shapes[array.kind])
            values[array.name] = np.abs(x) + 0.1 if array.name in signed else x
    return values
