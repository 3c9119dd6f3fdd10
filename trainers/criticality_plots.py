"""Pictures of a search for a critical point: cumulants and susceptibilities, the error of the step, fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from torch import Tensor

from trainers.criticality_analysis import Curve

PUBLISHED: dict[str, Any] = {"color": "#d1352b", "linewidth": 0.8, "linestyle": "--", "label": "published"}


def transition(curves: Sequence[Curve], found: float, control: str, published: float, path: Path) -> None:
    """Binder cumulants and susceptibilities of all sizes at the shortest step."""
    dt = min(curve.dt for curve in curves)
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), constrained_layout=True)
    for curve in curves:
        if curve.dt == dt:
            left.plot(curve.values, curve.binder, marker=".", label=f"L = {curve.size}, dt = {dt:g}")
            right.semilogy(curve.values, curve.susceptibility, marker=".")
    for axes in (left, right):
        axes.axvline(found, color="0.3", linewidth=0.8, label="crossing, dt to 0")
        axes.axvline(published, **PUBLISHED)
        axes.set_xlabel(control)
        axes.grid(alpha=0.3)
    left.set_ylabel("Binder cumulant")
    right.set_ylabel("susceptibility")
    left.legend(frameon=False)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def step_lines(records: Sequence[Mapping[str, Any]], control: str, path: Path) -> None:
    """Crossings of the pairs of sizes against dt^2, all seeds, with the line of each to dt = 0."""
    figure, axes = plt.subplots(figsize=(6, 3.8), constrained_layout=True)
    for j, (small, large) in enumerate(pairwise(records[0]["sizes"])):
        for k, record in enumerate(records):
            squares = np.asarray(record["dts"]) ** 2
            places = [row[j] for row in record["crossings"]]
            errors = [row[j] or 0.0 for row in record["crossing_errors"]]
            axes.errorbar(
                squares, places, errors, fmt=".", color=f"C{j}", capsize=2, label=None if k else f"L = {small}, {large}"
            )
            limit, ends = record["limits"][j], np.asarray([0.0, squares.max()])
            axes.plot(ends, limit["value"] + limit["slope"] * ends, color=f"C{j}", linewidth=0.6)
    axes.axhline(records[0]["published"], **PUBLISHED)
    axes.set_xlabel("dt^2")
    axes.set_ylabel(f"crossing, {control}")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def fields(phi: Tensor, curve: Curve, control: str, path: Path) -> None:
    """The last field of the first chain at the smallest, the middle and the largest value, phi (R, P, L, L)."""
    chosen = (0, len(curve.values) // 2, len(curve.values) - 1)
    figure, row = plt.subplots(1, len(chosen), figsize=(9, 3.2), constrained_layout=True)
    for axes, k in zip(row, chosen, strict=True):
        axes.imshow(phi[0, k].float().numpy(), cmap="RdBu_r", vmin=-2, vmax=2, interpolation="nearest")
        axes.set_title(f"{control} = {curve.values[k]:.3f}", fontsize=9)
        axes.set_xticks([])
        axes.set_yticks([])
    figure.savefig(path, dpi=130)
    plt.close(figure)
