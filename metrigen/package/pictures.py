"""The pictures of a report: stencils on their grid, dispersion, growth and amplification against wavenumber."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from metrigen.emit.notation import text
from metrigen.emit.svg import Line, Mark, line_plot, stencil_grid
from metrigen.package.von_neumann import WaveReport, directions, wave_vectors

_POINTS = 121
_SMALL = 1e-9


@dataclass(frozen=True)
class Picture:
    """An SVG and the sentence below it."""

    svg: str
    caption: str


def stencil_pictures(report: WaveReport) -> list[Picture]:
    """One grid for each coupling of a field to a field; in three dimensions one for each layer of the third axis."""
    if report.symbols is None or not report.symbols.axes:
        return []
    pictures: list[Picture] = []
    names = report.symbols.names
    for (i, j), row in report.symbols.lattice.items():
        what = f"d F / d {names[i]}" if report.symbols.steady else f"{names[i]}_t"
        for depth in sorted({o[2:] for o in row}):
            flat = {o[:2]: text(c) for o, c in row.items() if o[2:] == depth}
            where = f", layer {depth[0]:+d} of the third axis" if depth else ""
            title = f"Coefficients of {names[j]} at its sites in {what}{where}"
            pictures.append(Picture(stencil_grid(title, flat), f"{title}, linearised about a constant state."))
    return pictures


def wave_pictures(report: WaveReport) -> list[Picture]:
    """Frequency, growth rate, amplification against wavenumber, and the worst amplification against dt."""
    if report.symbols is None or report.numbers is None:
        return []
    pictures: list[Picture] = []
    if report.rank:
        fractions = np.linspace(0.0, 1.0, _POINTS)
        for label, direction in directions(report.rank):
            curves = list(_curves(report, fractions, direction))
            pictures += _dispersion(report, fractions, curves, label)
            if report.step is not None:
                pictures.append(_amplification(report, fractions, direction, label))
    if report.sweep is not None:
        pictures.append(_sweep(report))
    return pictures


Curve = tuple[str, np.ndarray]


def _curves(report: WaveReport, fractions: np.ndarray, direction: tuple[float, ...]) -> Iterator[Curve]:
    """(name, eigenvalues s of shape (wavenumbers, fields))."""
    assert report.symbols is not None
    k = wave_vectors(list(fractions), direction, float(report.symbols.spacing))
    if report.symbols.continuum is not None:
        yield "continuum", report.spectrum(k, True)
    yield "lattice", report.spectrum(k, False)
    if report.step is not None and report.dt is not None:
        with np.errstate(all="ignore"):
            yield "lattice and time step", np.log(report.step.factors(k)[0]) / report.dt


def _dispersion(report: WaveReport, fractions: np.ndarray, curves: list[Curve], label: str) -> list[Picture]:
    assert report.symbols is not None
    x_label = f"{report.symbols.vector} h / π" + (f" {label}" if label else "")
    finite = [s[np.isfinite(s)] for _, s in curves]
    parts: list[tuple[str, str, Callable[[np.ndarray], np.ndarray]]] = []
    if report.symbols.steady:
        title = f"Eigenvalues of the operator dF/du against wavenumber{_along(label)}"
        parts.append((title, "eigenvalue", lambda s: np.sort(s.real, axis=1)))
    else:
        if any((np.abs(s.imag) > _SMALL).any() for s in finite):
            title = f"Dispersion relation: frequency ω against wavenumber{_along(label)}"
            parts.append((title, "frequency ω", lambda s: np.sort(np.abs(s.imag), axis=1)))
        if any((np.abs(s.real) > _SMALL).any() for s in finite):
            title = f"Growth rate (negative: decay) against wavenumber{_along(label)}"
            parts.append((title, "growth rate", lambda s: np.sort(s.real, axis=1)))
    pictures: list[Picture] = []
    for title, y_label, part in parts:
        lines = [
            Line(name, list(fractions), [float(v) for v in row]) for name, s in curves for row in _distinct(part(s).T)
        ]
        window = _with_zero([y for line in lines for y in line.y])
        pictures.append(Picture(line_plot(title, x_label, y_label, lines, y_limit=window), f"{title}."))
    return pictures


def _with_zero(values: list[float]) -> tuple[float, float]:
    """A range that holds all values and zero, with a little room."""
    finite = [v for v in values if np.isfinite(v)]
    low, high = min([*finite, 0.0]), max([*finite, 0.0])
    room = 0.06 * (high - low) or 0.1
    return low - room * (low < 0 or high == 0), high + room * (high > 0 or low == 0)


def _distinct(rows: np.ndarray) -> list[np.ndarray]:
    """Branches without repetition: two conjugate eigenvalues have one frequency."""
    kept: list[np.ndarray] = []
    for row in rows:
        if not any(np.allclose(row, other, rtol=1e-6, atol=1e-7, equal_nan=True) for other in kept):
            kept.append(row)
    return kept


def _along(label: str) -> str:
    return f" {label}" if label else ""


def _amplification(report: WaveReport, fractions: np.ndarray, direction: tuple[float, ...], label: str) -> Picture:
    assert report.symbols is not None
    assert report.step is not None
    assert report.dt is not None
    spacing = float(report.symbols.spacing)
    k = wave_vectors(list(fractions), direction, spacing)
    lines = [Line(f"one step of dt = {report.dt:g}", list(fractions), _largest(report.step.factors(k)[0]))]
    if report.symbols.continuum is not None:
        with np.errstate(all="ignore"):
            exact = np.exp(report.spectrum(k, True) * report.dt)
        lines.append(Line("continuum, exact in time", list(fractions), _largest(exact)))
    title = f"Amplification factor |λ| of one step against wavenumber{_along(label)}"
    marks = [Mark("y", 1.0, "|λ| = 1")]
    svg = line_plot(
        title,
        f"{report.symbols.vector} h / π" + _along(label),
        "largest |λ|",
        lines,
        marks,
        _window([y for x in lines for y in x.y]),
    )
    return Picture(svg, f"{title}. Above the line |λ| = 1 a wave grows.")


def _sweep(report: WaveReport) -> Picture:
    assert report.sweep is not None
    assert report.symbols is not None
    vectors = [
        wave_vectors(list(np.linspace(0.0, 1.0, 33)), d, float(report.symbols.spacing))
        for _, d in directions(report.rank)
    ]
    factors = np.abs(report.sweep.factors(np.concatenate(vectors)))
    worst = np.where(np.isfinite(factors), factors, np.inf).max(axis=(1, 2))
    line = Line("largest |λ| over all wavenumbers shown", list(report.sweep.dt), [float(v) for v in worst])
    marks = [Mark("y", 1.0, "|λ| = 1")]
    if report.dt is not None:
        marks.append(Mark("x", report.dt, f"dt = {report.dt:g}"))
    if report.limit is not None:
        marks.append(Mark("x", report.limit, f"step limit {report.limit:.4g}"))
    title = "Largest amplification factor against the size of a step"
    svg = line_plot(title, "dt", "largest |λ|", [line], marks, _window(list(worst)))
    known = "The step limit of the derivation is marked." if report.limit is not None else "No step limit is known."
    return Picture(svg, f"{title}. {known}")


def _largest(factors: np.ndarray) -> list[float]:
    return [float(v) for v in np.abs(factors).max(axis=1)]


def _window(values: list[float]) -> tuple[float, float]:
    """What is worth seeing of an amplification factor: all of it below 2.5, and a little around 1."""
    finite = [v for v in values if np.isfinite(v) and v < 2.5]
    low, high = min([*finite, 1.0]), max([*finite, 1.0])
    pad = max(0.08 * (high - low), 0.02)
    return max(low - pad, 0.0), high + pad
