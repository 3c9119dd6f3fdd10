"""The growth rate of short waves: max Re eig A(ik) of the equations linearised at a frozen state, |k| = 1e2 and 1e4.

With auxiliary fields A is the Schur complement A - B D^-1 C of the whole system: a wave carries them along.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import mpmath
import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.physics import channels
from metrigen.physics.jets import Jet, jets_of
from metrigen.physics.opaque import opaque
from metrigen.physics.partials import Partials
from metrigen.physics.report import short
from metrigen.physics.work_budget import count_ops, spend
from metrigen.physics.zero import DIGITS, Evaluator, Point

Orders = tuple[int, ...]
Entries = dict[tuple[int, int], list[tuple[Orders, sp.Expr]]]

_WAVES = (100, 10000)
_SMALL = mpmath.mpf("1e-3")
_LARGEST = 12  # components
_EIGENVALUES = 3  # operations of the eigenvalues of a matrix, by the cube of its size
_LONGEST, _LONGEST_WITH_MAPS = 6000, 1000  # operations in the rates


@dataclass(frozen=True)
class Trial:
    """Growth rates and spectral radii at the two wave numbers, in the first direction in which short waves grow."""

    slow: mpmath.mpf
    fast: mpmath.mpf
    radii: tuple[mpmath.mpf, mpmath.mpf]

    @property
    def grows(self) -> bool:
        return bool(self.fast > 5 * max(self.slow, _SMALL))

    @property
    def text(self) -> str:
        slow, fast = (short(sp.Float(str(value))) for value in (self.slow, self.fast))
        return f"the growth rate is {slow} at |k| = 100 and {fast} at 1e4"

    def is_of_lower_order(self, principal: Trial) -> bool:
        """Does the growth rate rise more slowly with the wave number than the frequencies of another state?"""
        low, high = principal.radii
        return bool(high / max(low, _SMALL) > 10 * self.fast / max(self.slow, _SMALL))


@dataclass(frozen=True)
class Linearised:
    """The Frechet derivative, one coefficient after the other in ``coefficients``; ``moving`` of the ``n`` components
    have a rate, the others an equation without time."""

    n: int
    moving: int
    entries: Entries
    coefficients: tuple[sp.Expr, ...]
    compiled: Evaluator
    axes: int

    @classmethod
    def of(
        cls, rates: Sequence[sp.Expr], fields: tuple[AppliedUndef, ...], auxiliary: tuple[AppliedUndef, ...] = ()
    ) -> Linearised | None:
        """``rates`` of the fields, then the residuals of the auxiliary fields, channels written out if coupled; None
        where that is too large."""
        every = (*fields, *auxiliary)
        mixed = any(channels.has_maps(rate) for rate in rates)
        count = 2 if mixed else 1
        n = len(every) * count
        if n > _LARGEST or operations(rates) > (_LONGEST_WITH_MAPS if mixed else _LONGEST):
            return None
        entries = _entries(rates, every, count)
        coefficients = tuple(opaque(c, conditions=True) for terms in entries.values() for _, c in terms)
        axes = len(fields[0].args) - 1
        return cls(n, len(fields) * count, entries, coefficients, Evaluator.of(coefficients), axes)

    def at(self, point: Point) -> Trial | None:
        """The trial of a frozen state; None where a coefficient has no real value."""
        values = self.compiled.at(point)
        if values is None:
            return None
        stream = iter(values)
        frozen = {key: [(orders, next(stream)) for orders, _ in terms] for key, terms in self.entries.items()}
        widest = None
        for direction in _directions(self.axes):
            (slow, inner), (fast, outer) = (self._growth(frozen, direction, k) for k in _WAVES)
            trial = Trial(slow, fast, (inner, outer))
            if trial.grows:
                return trial
            widest = trial if widest is None or outer > widest.radii[1] else widest
        return widest

    def _growth(
        self, frozen: dict[tuple[int, int], list[tuple[Orders, mpmath.mpf]]], direction: Sequence[float], k: int
    ) -> tuple[mpmath.mpf, mpmath.mpf]:
        """max Re and max |.| of the eigenvalues of A(ik)."""
        spend(_EIGENVALUES * self.n**3, f"the eigenvalues of a matrix of {self.n} rows")
        with mpmath.workdps(DIGITS):
            matrix = mpmath.matrix(self.n, self.n)
            for (i, j), terms in frozen.items():
                for orders, c in terms:
                    factors = [mpmath.mpc(0, k * mpmath.mpf(d)) ** m for d, m in zip(direction, orders, strict=True)]
                    matrix[i, j] += c * mpmath.fprod(factors)
            if self.moving < self.n:
                a, b = matrix[: self.moving, : self.moving], matrix[: self.moving, self.moving :]
                c, d = matrix[self.moving :, : self.moving], matrix[self.moving :, self.moving :]
                matrix = a - b * (d**-1) * c
            eigenvalues = mpmath.eig(matrix, left=False, right=False) if self.moving > 1 else [matrix[0, 0]]
            return max(mpmath.re(value) for value in eigenvalues), max(abs(value) for value in eigenvalues)


def operations(rates: Sequence[sp.Expr]) -> int:
    return sum(count_ops(rate, _LONGEST) for rate in rates)


def too_large(rates: Sequence[sp.Expr], fields: Sequence[AppliedUndef]) -> str:
    """Which limit the linearisation met."""
    if len(fields) > _LARGEST:
        return f"{len(fields)} fields, more than {_LARGEST} components"
    return f"the equations have {operations(rates)} operations or more"


def _entries(rates: Sequence[sp.Expr], fields: tuple[AppliedUndef, ...], count: int) -> Entries:
    """{(i, j): [(orders in space, coefficient)]}."""
    out: Entries = {}
    for i, rate in enumerate(rates):
        components = channels.explicit(rate, count) if count > 1 else [rate]
        for c, component in enumerate(components):
            partials = Partials(component)
            for d, j, symbol in _variables(rate, fields, count):
                coefficient = partials.along(symbol)
                if not coefficient.is_zero:
                    place = fields.index(j.base) * count + d
                    out.setdefault((i * count + c, place), []).append((j.orders[1:], coefficient))
    return out


def _variables(rate: sp.Expr, fields: tuple[AppliedUndef, ...], count: int) -> Iterator[tuple[int, Jet, sp.Symbol]]:
    for j in jets_of(rate, *fields):
        for d in range(count):
            yield d, j, channels.indexed(j, d) if count > 1 else j


def _directions(dimensions: int) -> list[tuple[float, ...]]:
    """The axes, and one oblique direction."""
    axes = [tuple(1.0 if i == j else 0.0 for j in range(dimensions)) for i in range(dimensions)]
    oblique = [(0.6, 0.8), (0.36, 0.48, 0.8)]
    return axes + ([oblique[dimensions - 2]] if dimensions > 1 else [])
