"""results.svg: one panel a race, one bar a contender, on a logarithmic axis, the floor as a line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.table import OURS, Row

COLUMNS = 3


def write(rows: Sequence[Row], path: Path) -> None:
    """Draw the rows that have a time; the same rows give the same bytes."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "metrigen"
    from matplotlib import pyplot as plt

    timed = [row for row in rows if row.median is not None]
    names = list(dict.fromkeys(row.race for row in timed))
    high = max(1, -(-len(names) // COLUMNS))
    figure, axes = plt.subplots(high, COLUMNS, figsize=(15, 2.6 * high), squeeze=False)
    for ax in axes.flat[len(names) :]:
        ax.set_axis_off()
    for ax, name in zip(axes.flat, names, strict=False):
        bars = [row for row in timed if row.race == name][::-1]
        values = [row.median or 0.0 for row in bars]
        colours = ["#c2410c" if row.contender.startswith(OURS) else "#64748b" for row in bars]
        ax.barh([row.contender for row in bars], values, color=colours)
        floors = [row.median / row.against_floor for row in bars if row.median and row.against_floor]
        if floors:
            ax.axvline(floors[0], color="black", linestyle="--", linewidth=1)
        ax.set_xscale("log")
        ax.set_title(name, fontsize=9)
        ax.tick_params(labelsize=7)
        ax.set_xlabel("ms (median); dashed: floor", fontsize=7)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
