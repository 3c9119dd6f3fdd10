"""Where a system orders, from moments of its mean field: crossings of Binder cumulants, peaks of susceptibilities.

Errors are those of a bootstrap over bins that are long against the autocorrelation time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.polynomial import Polynomial

DEGREE = 3  # of the curves through the points of one size
FINE = 2001
FLAT = 0.01  # of a cumulant, as a share of 2/3
LEAST = 1e-6  # the error of a cumulant that counts, where bins are alike
WINDOW = 6.0  # autocorrelation times that the sum over lags reaches
BIN = 10.0  # autocorrelation times of a bin, where a chain is as long
DRAWS = 100  # of the bootstrap
BEYOND = 0.5  # of the common range on both sides, where a draw may cross as well: none is lost at an edge
FAILURES = 0.1  # the share of draws without a crossing beyond which there is no error to tell


class AnalysisError(ValueError):
    """Curves that do not cross, or no peak between the first and the last value: says what to change."""


def autocorrelation_time(series: np.ndarray) -> float:
    """The integrated autocorrelation time 1/2 + sum_k rho(k) of chains (samples, chains), in samples, at least 1/2.

    The sum ends at the first lag beyond WINDOW times itself (N. Madras, A. Sokal, 1988, Journal of Statistical Physics
    50, 109-186). The mean is that of all chains.
    """
    count = len(series)
    shifted = series - series.mean()
    spectrum = np.abs(np.fft.rfft(shifted, 2 * count, axis=0)) ** 2
    covariance = np.fft.irfft(spectrum, axis=0)[:count].mean(1) / np.arange(count, 0, -1)
    if covariance[0] <= 0:
        return 0.5
    total = 0.5
    for lag in range(1, count):
        total += covariance[lag] / covariance[0]
        if lag >= WINDOW * total:
            break
    return max(0.5, float(total))


@dataclass(frozen=True)
class Curve:
    """One size L and one step dt over the P values of the control parameter.

    moments       (3, bins, P): <|m|>, <m^2>, <m^4> of the mean field m, bin by bin, all of them equally long
    temperature   T, one or P of them
    """

    size: int
    dt: float
    values: np.ndarray
    moments: np.ndarray
    temperature: np.ndarray | float

    @property
    def binder(self) -> np.ndarray:
        """U = 1 - <m^4> / (3 <m^2>^2), from 0 in disorder to 2/3 in order."""
        _, second, fourth = self.moments.mean(1)
        return np.asarray(1 - fourth / (3 * second**2))

    @property
    def binder_error(self) -> np.ndarray:
        """The standard error of U over the bins, by its derivatives to <m^2> and <m^4>; 0 where there is one bin."""
        _, second, fourth = self.moments
        means = second.mean(0), fourth.mean(0)
        moved = 2 * means[1] * (second - means[0]) / (3 * means[0] ** 3) - (fourth - means[1]) / (3 * means[0] ** 2)
        return np.asarray(moved.std(0) / max(1, len(moved) - 1) ** 0.5)

    @property
    def susceptibility(self) -> np.ndarray:
        """L^2 (<m^2> - <|m|>^2) / T."""
        first, second, _ = self.moments.mean(1)
        return np.asarray(self.size**2 * (second - first**2) / self.temperature)

    def drawn(self, rng: np.random.Generator) -> Curve:
        """The curve of as many bins, drawn with replacement; those of each point by themselves."""
        chosen = rng.integers(self.moments.shape[1], size=self.moments.shape[1:])
        return replace(self, moments=np.take_along_axis(self.moments, chosen[None], axis=1))


def binned(series: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Moments (3, bins, P) of mean fields (samples, chains, P), the autocorrelation times of m^2 (P,) in samples, and
    the samples of a bin: BIN times the longest of these, or a whole chain where that is shorter."""
    count, chains, points = series.shape
    times = np.asarray([autocorrelation_time(series[:, :, p] ** 2) for p in range(points)])
    length = min(count, max(1, int(np.ceil(BIN * times.max()))))
    parts = count // length
    used = series[count - parts * length :].reshape(parts, length, chains, points)
    moments = np.stack([np.abs(used), used**2, used**4]).mean(2)
    return moments.reshape(3, parts * chains, points), times, length


def _odds(curve: Curve, x: np.ndarray) -> np.ndarray:
    """Log odds of 3 U / 2 at x, on a cubic through the points where U is not yet 0 or 2/3, weighted by their errors."""
    share = 1.5 * curve.binder
    inside = (share > FLAT) & (share < 1 - FLAT)
    if inside.sum() < 2:
        raise AnalysisError(
            f"the cumulants of L = {curve.size} at dt = {curve.dt:g} are flat from {curve.values.min():.4g} to "
            f"{curve.values.max():.4g}: give more --points"
        )
    values, share, errors = (part[inside] for part in (curve.values, share, curve.binder_error))
    weights = share * (1 - share) / (1.5 * errors + LEAST)
    degree = min(DEGREE, len(share) - 1)
    return np.asarray(Polynomial.fit(values, np.log(share / (1 - share)), degree, w=weights)(x))


def falling(curve: Curve, cumulant: float) -> float:
    """The largest value at which the cumulant of a curve is so large. Raises AnalysisError."""
    x = np.linspace(curve.values.min(), curve.values.max(), FINE)
    above = np.nonzero(_odds(curve, x) >= np.log(1.5 * cumulant / (1 - 1.5 * cumulant)))[0]
    if not len(above):
        raise AnalysisError(
            f"the cumulant of L = {curve.size} at dt = {curve.dt:g} is below {cumulant:g} from {x[0]:.4g} to "
            f"{x[-1]:.4g}: give a longer run, --span, or other --seeds"
        )
    return float(x[above[-1]])


def crossing(one: Curve, other: Curve, beyond: float = 0.0) -> float:
    """Where the cumulants of two sizes are equal, in their common range and ``beyond`` it. Raises AnalysisError.

    In order the larger lattice has the larger cumulant, in disorder the smaller one. Where noise makes several
    crossings, it is the one where the larger cumulant falls fastest.
    """
    small, large = sorted((one, other), key=lambda curve: curve.size)
    low, high = max(small.values.min(), large.values.min()), min(small.values.max(), large.values.max())
    margin = beyond * (high - low)
    x = np.linspace(low - margin, high + margin, FINE)
    first, second = _odds(small, x), _odds(large, x)
    difference = second - first
    at = np.nonzero((difference[:-1] > 0) & (difference[1:] <= 0))[0]
    if not len(at):
        raise AnalysisError(
            f"the cumulants of L = {small.size} and {large.size} at dt = {small.dt:g} do not cross between {low:.4g} "
            f"and {high:.4g}: give a longer run, --span, or other --seeds"
        )
    cumulant = 1 / (1 + np.exp(-second))
    k = at[np.argmin(cumulant[at + 1] - cumulant[at])]
    return float(x[k] + (x[k + 1] - x[k]) * difference[k] / (difference[k] - difference[k + 1]))


def peak(curve: Curve) -> float:
    """Where the susceptibility is largest, on a parabola through the logarithms of the five points around. Raises
    AnalysisError."""
    top = int(np.argmax(curve.susceptibility))
    first = min(max(0, top - 2), max(0, len(curve.values) - 5))
    x, y = curve.values[first : first + 5], np.log(curve.susceptibility[first : first + 5])
    bend = Polynomial.fit(x, y, 2).convert().coef
    place = -bend[1] / (2 * bend[2]) if len(bend) > 2 and bend[2] < 0 else np.nan
    if not curve.values.min() <= place <= curve.values.max():
        raise AnalysisError(
            f"the susceptibility of L = {curve.size} at dt = {curve.dt:g} has no peak between "
            f"{curve.values.min():.4g} and {curve.values.max():.4g}: give a wider range"
        )
    return float(place)


def error_of(place: Callable[..., float], curves: Sequence[Curve], seed: int = 0) -> float | None:
    """The standard deviation of ``place(*curves)`` over DRAWS bootstraps; None where too many of them have no place, or
    there is one bin."""
    if min(curve.moments.shape[1] for curve in curves) < 2:
        return None
    rng, found = np.random.default_rng(seed), []
    for _ in range(DRAWS):
        try:
            found.append(place(*(curve.drawn(rng) for curve in curves)))
        except AnalysisError:
            continue
    return None if len(found) < (1 - FAILURES) * DRAWS else float(np.std(found, ddof=1))


@dataclass(frozen=True)
class Limit:
    """A value without the error of the step: ``value`` +- ``error`` at dt = 0, ``slope`` in dt^2, and chi^2."""

    value: float
    error: float | None
    slope: float
    chi2: float


def without_step(dts: Sequence[float], places: Sequence[float], errors: Sequence[float | None]) -> Limit:
    """Places on a straight line in dt^2, weighted by their errors: the error of a step of second order.

    One dt is taken as it is. Where an error is not known all count alike, and the result has none.
    """
    if len(dts) == 1:
        return Limit(float(places[0]), errors[0], 0.0, 0.0)
    known = [error for error in errors if error]
    whole = len(known) == len(dts)
    weights = 1 / np.asarray(known) if whole else np.ones(len(dts))
    lines = np.stack([np.ones(len(dts)), np.asarray(dts) ** 2], axis=1) * weights[:, None]
    (value, slope), *_ = np.linalg.lstsq(lines, weights * np.asarray(places), rcond=None)
    residual = weights * np.asarray(places) - lines @ np.asarray([value, slope])
    error = float(np.linalg.inv(lines.T @ lines)[0, 0] ** 0.5) if whole else None
    return Limit(float(value), error, float(slope), float(residual @ residual) if whole else 0.0)


def without_size(sizes: Sequence[int], places: Sequence[float]) -> float:
    """The places of peaks on a straight line in 1/L, at 1/L = 0: the shift of the Ising class, whose nu is 1."""
    return float(np.polyfit(1 / np.asarray(sizes), places, 1)[1])


def findings(curves: Sequence[Curve]) -> dict[str, Any]:
    """Crossings of each two following sizes and peaks at every step, and what is left without step and size.

    crossings        by dt, then by pair of sizes; crossing_errors likewise
    limits           by pair: without the error of the step (value, error, slope in dt^2, chi2)
    binder           the limit of the two largest sizes; binder_error
    susceptibility   the peaks at infinite size, without the error of the step; None where a peak is out of the range

    Raises AnalysisError where cumulants do not cross.
    """
    dts = sorted({curve.dt for curve in curves})
    sizes = sorted({curve.size for curve in curves})
    by = {(curve.size, curve.dt): curve for curve in curves}
    couples = [[(by[a, dt], by[b, dt]) for a, b in pairwise(sizes)] for dt in dts]
    crossings = [[crossing(*couple) for couple in row] for row in couples]
    errors = [[error_of(partial(crossing, beyond=BEYOND), couple) for couple in row] for row in couples]
    limits = [
        without_step(dts, [row[j] for row in crossings], [row[j] for row in errors]) for j in range(len(sizes) - 1)
    ]
    found: dict[str, Any] = {
        "sizes": sizes, "dts": dts, "crossings": crossings, "crossing_errors": errors,
        "limits": [vars(limit) for limit in limits], "binder": limits[-1].value, "binder_error": limits[-1].error,
    }  # fmt: skip
    return found | _peaks(by, sizes, dts)


def _peaks(by: Mapping[tuple[int, float], Curve], sizes: Sequence[int], dts: Sequence[float]) -> dict[str, Any]:
    def at_infinity(*curves: Curve) -> float:
        return without_size(sizes, [peak(curve) for curve in curves])

    rows = [[by[size, dt] for size in sizes] for dt in dts]
    try:
        peaks = [[peak(curve) for curve in row] for row in rows]
        limits = without_step(dts, [at_infinity(*row) for row in rows], [error_of(at_infinity, row) for row in rows])
    except AnalysisError as error:
        return {"peaks": None, "susceptibility": None, "susceptibility_error": None, "note": str(error)}
    return {"peaks": peaks, "susceptibility": limits.value, "susceptibility_error": limits.error}
