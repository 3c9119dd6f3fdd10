"""Pictures of a run: cumulants and susceptibilities against the control parameter, and fields on both sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from trainers.criticality_analysis import Curve


def transition(
    curves: Sequence[Curve], found: Mapping[str, Any], control: str, published: float | None, path: Path
) -> None:
    """Binder cumulants and susceptibilities of all sizes at the shortest step."""
    dt = min(curve.dt for curve in curves)
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), constrained_layout=True)
    for curve in curves:
        if curve.dt == dt:
            left.plot(curve.values, curve.binder, marker=".", label=f"L = {curve.size}")
            right.semilogy(curve.values, curve.susceptibility, marker=".", label=f"L = {curve.size}")
    for axes in (left, right):
        axes.axvline(found["binder"], color="0.3", linewidth=0.8, label="crossing, dt = 0")
        if published is not None:
            axes.axvline(published, color="#d1352b", linewidth=0.8, linestyle="--", label="published")
        axes.set_xlabel(control)
        axes.grid(alpha=0.3)
    left.set_ylabel("Binder cumulant")
    right.set_ylabel("susceptibility")
    left.legend(frameon=False)
    figure.savefig(path, dpi=130)
    plt.close(figure)
