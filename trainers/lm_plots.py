"""The picture of a comparison: bits per byte against tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def learning_curves(curves: Mapping[str, Sequence[tuple[int, float]]], title: str, path: Path) -> None:
    """A line per model, (tokens, bits per byte of the validation split); tokens on a logarithmic axis."""
    figure, axes = plt.subplots(figsize=(6, 4), constrained_layout=True)
    for name, curve in curves.items():
        axes.plot([tokens for tokens, _ in curve], [bits for _, bits in curve], marker=".", label=name)
    axes.set(xscale="log", xlabel="tokens (bytes) seen", ylabel="bits per byte, validation", title=title)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=130)
    plt.close(figure)
