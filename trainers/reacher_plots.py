"""Pictures of the arm: success against data, and what was identified."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

Record = Mapping[str, Any]
NAMES = {
    "arm": "the spec, learned",
    "corrected": "and a learned potential",
    "step": "network, next state",
    "rate": "network, rates",
}


def comparison(records: Sequence[Record], path: Path) -> None:
    """Success on unseen goals and error of a rollout against the episodes that were seen: a dot a run, a line the
    mean over seeds."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), constrained_layout=True)
    for k, model in enumerate(dict.fromkeys(r["model"] for r in records)):
        for ax, key, factor in ((axes[0], "success", 100.0), (axes[1], "angle_error", 1.0)):
            points = [(r["episodes"], factor * r[key]) for r in records if r["model"] == model and key in r]
            counts = sorted({count for count, _ in points})
            ax.plot(counts, [fmean(y for x, y in points if x == count) for count in counts], color=f"C{k}",
                    label=NAMES.get(model, model))  # fmt: skip
            ax.plot([x for x, _ in points], [y for _, y in points], ".", color=f"C{k}")
    for ax in axes:
        ax.set_xscale("log")
        ax.set(xlabel="episodes of random actions")
        counts = sorted({r["episodes"] for r in records})
        ax.set_xticks(counts, [str(count) for count in counts])
        ax.minorticks_off()
    axes[0].set(ylabel="goals reached, %", ylim=(-3, 103))
    axes[1].set(ylabel="error of angles after 20 steps, rad", yscale="log")
    axes[0].legend(frameon=False)
    figure.savefig(path, dpi=130)
    plt.close(figure)
