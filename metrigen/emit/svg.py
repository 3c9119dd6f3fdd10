"""Pictures as inline SVG: lines in a plane, and the coefficients of a stencil on a grid of offsets.

Colours are classes of the page that holds them (``c0`` ... ``c4`` for lines, ``axis``, ``mark``), so that one picture
reads in light, in dark and on paper; lines differ in their dashes as well. Numbers are rounded to 0.01 of a pixel.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT = 520, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 14, 14, 44
_DASHES = ("", "7 4", "2 3", "9 3 2 3", "4 4")
_CELL = 74


@dataclass(frozen=True)
class Line:
    """One curve; points that are not finite break it. Curves of one name look alike and share a row of the key."""

    name: str
    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True)
class Mark:
    """A straight line at one value of an axis ("x" or "y"), with its name."""

    axis: str
    value: float
    name: str


def line_plot(
    title: str,
    x_label: str,
    y_label: str,
    lines: Sequence[Line],
    marks: Sequence[Mark] = (),
    y_limit: tuple[float, float] | None = None,
) -> str:
    """An ``<svg>`` with axes, ticks and a key. ``y_limit`` clips the plane; by default it holds every line and mark."""
    xs = [v for line in lines for v in line.x if math.isfinite(v)] + [m.value for m in marks if m.axis == "x"]
    ys = [v for line in lines for v in line.y if math.isfinite(v)] + [m.value for m in marks if m.axis == "y"]
    x_range = _range(xs)
    y_range = y_limit or _range(ys, 0.06)
    plane = _Plane(x_range, y_range)
    names = list(dict.fromkeys(line.name for line in lines))
    key_rows = (len(names) + 1) // 2
    height = _HEIGHT + 20 * key_rows
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{_quoted(title)}"><title>{escape(title)}</title>'
    ]
    parts += _axes(plane, x_label, y_label)
    for mark in marks:
        parts += _mark(plane, mark)
    for line in lines:
        parts.append(_path(plane, line, names.index(line.name)))
    for i, name in enumerate(names):
        x, y = _LEFT + (i % 2) * 220, _HEIGHT + 10 + 20 * (i // 2)
        parts.append(f'<path class="line c{i % 5}" stroke-dasharray="{_DASHES[i % 5]}" d="M{x} {y}h28"/>')
        parts.append(f'<text x="{x + 34}" y="{y + 4}">{escape(name)}</text>')
    return "".join(parts) + "</svg>"


def stencil_grid(title: str, coefficients: Mapping[tuple[int, ...], str]) -> str:
    """A grid of sites around the centre, each with its coefficient; one row in one dimension, two axes at most."""
    flat = {(o[0], o[1] if len(o) > 1 else 0): text for o, text in coefficients.items()}
    reach = [max((abs(o[axis]) for o in flat), default=0) for axis in (0, 1)]
    columns, rows = 2 * reach[0] + 1, 2 * reach[1] + 1
    cell = max(_CELL, 9 + 7 * max((len(row) for text in flat.values() for row in _rows(text)), default=0))
    width, height = columns * cell + 20, rows * _CELL + 34
    parts = [
        f'<svg viewBox="0 0 {width} {height}" role="img" '
        f'style="max-width:{width}px" aria-label="{_quoted(title)}"><title>{escape(title)}</title>'
    ]
    for j in range(rows):
        for i in range(columns):
            offset = (i - reach[0], reach[1] - j)
            x, y = 10 + i * cell, 10 + j * _CELL
            kind = "site" if offset in flat else "site empty"
            centre = " centre" if offset == (0, 0) else ""
            parts.append(f'<rect class="{kind}{centre}" x="{x}" y="{y}" width="{cell}" height="{_CELL}"/>')
            for n, row in enumerate(rows_ := _rows(flat.get(offset, ""))):
                at = y + _CELL / 2 + 5 + 15 * (n - (len(rows_) - 1) / 2)
                parts.append(f'<text text-anchor="middle" x="{_r(x + cell / 2)}" y="{_r(at)}">{escape(row)}</text>')
    axes = "first axis to the right" + (", second axis upwards" if reach[1] else "")
    parts.append(f'<text class="small" x="10" y="{height - 8}">{axes}</text>')
    return "".join(parts) + "</svg>"


def _rows(text: str) -> list[str]:
    """A coefficient on a few lines, broken before its signs."""
    rows: list[str] = []
    for piece in text.replace(" - ", "\n- ").replace(" + ", "\n+ ").splitlines():
        if rows and len(rows[-1]) + len(piece) < 12:
            rows[-1] += f" {piece}"
        else:
            rows.append(piece)
    return rows if len(rows) <= 4 else [*rows[:3], "..."]


@dataclass(frozen=True)
class _Plane:
    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, x: float, y: float) -> tuple[float, float]:
        right, low = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
        a = _LEFT + (x - self.x[0]) / (self.x[1] - self.x[0]) * (right - _LEFT)
        b = low - (y - self.y[0]) / (self.y[1] - self.y[0]) * (low - _TOP)
        return a, b


def _axes(plane: _Plane, x_label: str, y_label: str) -> list[str]:
    left, right, top, low = _LEFT, _WIDTH - _RIGHT, _TOP, _HEIGHT - _BOTTOM
    parts = [f'<path class="axis" d="M{left} {top}V{low}H{right}"/>']
    for v in ticks(*plane.x):
        x, _ = plane.at(v, plane.y[0])
        parts.append(f'<path class="tick" d="M{_r(x)} {top}V{low + 4}"/>')
        parts.append(f'<text class="small" text-anchor="middle" x="{_r(x)}" y="{low + 17}">{v:g}</text>')
    values = ticks(*plane.y)
    power = _power(values)
    for v in values:
        _, y = plane.at(plane.x[0], v)
        parts.append(f'<path class="tick" d="M{left - 4} {_r(y)}H{right}"/>')
        shown = round(v / 10.0**power, 9) + 0.0
        parts.append(f'<text class="small" text-anchor="end" x="{left - 7}" y="{_r(y + 4)}">{shown:g}</text>')
    y_label += f" / 1e{power}" if power else ""
    parts.append(f'<text text-anchor="middle" x="{(left + right) / 2:g}" y="{low + 36}">{escape(x_label)}</text>')
    middle = (top + low) / 2
    parts.append(
        f'<text text-anchor="middle" transform="translate(14 {middle:g}) rotate(-90)">{escape(y_label)}</text>'
    )
    return parts


def _mark(plane: _Plane, mark: Mark) -> list[str]:
    if mark.axis == "x":
        x, _ = plane.at(mark.value, plane.y[0])
        anchor, shift = ("end", -4) if x > _WIDTH / 2 else ("start", 4)
        line = f'<path class="mark" d="M{_r(x)} {_TOP}V{_HEIGHT - _BOTTOM}"/>'
        label = f'<text class="small" text-anchor="{anchor}" x="{_r(x + shift)}" y="{_TOP + 10}">{escape(mark.name)}'
    else:
        _, y = plane.at(plane.x[0], mark.value)
        line = f'<path class="mark" d="M{_LEFT} {_r(y)}H{_WIDTH - _RIGHT}"/>'
        label = f'<text class="small" text-anchor="end" x="{_WIDTH - _RIGHT}" y="{_r(y - 4)}">{escape(mark.name)}'
    return [line, label + "</text>"]


def _path(plane: _Plane, line: Line, number: int) -> str:
    data, drawing = [], False
    for x, y in zip(line.x, line.y, strict=True):
        if not (math.isfinite(y) and plane.y[0] <= y <= plane.y[1]):
            drawing = False
            continue
        a, b = plane.at(x, y)
        data.append(f"{'L' if drawing else 'M'}{_r(a)} {_r(b)}")
        drawing = True
    return f'<path class="line c{number % 5}" stroke-dasharray="{_DASHES[number % 5]}" d="{"".join(data)}"/>'


def _power(values: Sequence[float]) -> int:
    """A power of ten for the label of an axis, where its numbers would be too long to stand beside it; 0 where not."""
    if all(len(f"{v:g}") <= 6 for v in values):
        return 0
    return math.floor(math.log10(max(abs(v) for v in values)))


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers in [low, high], at most ``most`` of them and at least two."""
    step = 10.0 ** math.floor(math.log10((high - low) / most))
    step *= next(m for m in (1, 2, 5, 10, 20, 50) if (high - low) / (m * step) <= most)
    first = math.ceil(low / step - 1e-9)
    digits = max(12, 3 - math.floor(math.log10(step)))
    return [round(i * step, digits) + 0.0 for i in range(first, math.floor(high / step + 1e-9) + 1)]


def _range(values: Sequence[float], margin: float = 0.0) -> tuple[float, float]:
    low, high = min(values, default=0.0), max(values, default=1.0)
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-9):
        low, high = low - max(abs(low), 1.0) / 10, high + max(abs(high), 1.0) / 10
    return low - margin * (high - low), high + margin * (high - low)


def _r(value: float) -> str:
    return f"{round(value, 2):g}"


def _quoted(text: str) -> str:
    return escape(text, {'"': "&quot;"})
