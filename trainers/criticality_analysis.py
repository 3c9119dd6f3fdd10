"""Where a system orders, from moments of its mean field: crossings of Binder cumulants, peaks of susceptibilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.polynomial import Polynomial

DEGREE = 3  # of the curves through the points of one size
FINE = 4001
FLAT = 0.01  # of a cumulant, as a share of 2/3


class AnalysisError(ValueError):
    """Curves that do not cross, or no peak between the first and the last value: says what to change."""


@dataclass(frozen=True)
class Curve:
    """One size L and one step dt over the values of the control parameter.

    binder          U = 1 - <m^4> / (3 <m^2>^2), from 0 in disorder to 2/3 in order
    susceptibility  L^2 (<m^2> - <|m|>^2) / T
    """

    size: int
    dt: float
    values: np.ndarray
    binder: np.ndarray
    susceptibility: np.ndarray


def curve_of(blocks: Sequence[Mapping[str, Any]], temperatures: np.ndarray | float) -> Curve:
    """The averages of the blocks of one size and step, each of equally many samples."""
    first, second, fourth = (np.mean([block[name] for block in blocks], axis=0) for name in ("m1", "m2", "m4"))
    size = blocks[0]["size"]
    return Curve(
        size, blocks[0]["dt"], np.asarray(blocks[0]["values"]), 1 - fourth / (3 * second**2),
        size**2 * (second - first**2) / temperatures,
    )  # fmt: skip


def _odds(curve: Curve, x: np.ndarray) -> np.ndarray:
    """Log odds of 3 U / 2 at x, on a cubic through the points where U is not yet 0 or 2/3.

    A point counts by how much U moves there, so that the flat ends hardly do.
    """
    share = 1.5 * curve.binder
    inside = (share > FLAT) & (share < 1 - FLAT)
    if inside.sum() < 2:
        raise AnalysisError(
            f"the cumulants of L = {curve.size} at dt = {curve.dt:g} are flat from {curve.values.min():.4g} to "
            f"{curve.values.max():.4g}: give more --points"
        )
    values, share = curve.values[inside], share[inside]
    degree = min(DEGREE, len(share) - 1)
    return np.asarray(Polynomial.fit(values, np.log(share / (1 - share)), degree, w=share * (1 - share))(x))


def crossing(one: Curve, other: Curve) -> float:
    """Where the cumulants of two sizes are equal. Raises AnalysisError.

    In order the larger lattice has the larger cumulant, in disorder the smaller one. Where noise makes several
    crossings, it is the one where the larger cumulant falls fastest.
    """
    small, large = sorted((one, other), key=lambda curve: curve.size)
    low, high = max(small.values.min(), large.values.min()), min(small.values.max(), large.values.max())
    x = np.linspace(low, high, FINE)
    first, second = _odds(small, x), _odds(large, x)
    difference = second - first
    at = np.nonzero((difference[:-1] > 0) & (difference[1:] <= 0))[0]
    if not len(at):
        raise AnalysisError(
            f"the cumulants of L = {small.size} and {large.size} at dt = {small.dt:g} do not cross between {low:.4g} "
            f"and {high:.4g}: give a longer run, --span, or other --seed"
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


def without_size(sizes: Sequence[int], places: Sequence[float]) -> float:
    """The places of peaks on a straight line in 1/L, at 1/L = 0: the shift of the Ising class, whose nu is 1."""
    return float(np.polyfit(1 / np.asarray(sizes), places, 1)[1])


def without_step(dts: Sequence[float], places: Sequence[float]) -> float:
    """Places on a straight line in dt^2, at dt = 0: the error of a step of second order. One dt is taken as it is."""
    if len(dts) == 1:
        return float(places[0])
    return float(np.polyfit(np.asarray(dts) ** 2, places, 1)[1])


def findings(curves: Sequence[Curve]) -> dict[str, Any]:
    """Crossings of each two following sizes and peaks at every step, and what is left without step and size.

    binder           the crossing of the two largest sizes, without the error of the step
    susceptibility   the peaks at infinite size, without it; None where a peak is out of the range
    """
    dts = sorted({curve.dt for curve in curves})
    sizes = sorted({curve.size for curve in curves})
    by = {(curve.size, curve.dt): curve for curve in curves}
    crossings = [[crossing(by[a, dt], by[b, dt]) for a, b in pairwise(sizes)] for dt in dts]
    found: dict[str, Any] = {"sizes": sizes, "dts": dts, "crossings": crossings}
    found["binder"] = without_step(dts, [row[-1] for row in crossings])
    try:
        peaks = [[peak(by[size, dt]) for size in sizes] for dt in dts]
    except AnalysisError as error:
        return found | {"peaks": None, "susceptibility": None, "note": str(error)}
    return found | {
        "peaks": peaks, "susceptibility": without_step(dts, [without_size(sizes, row) for row in peaks])
    }  # fmt: skip
