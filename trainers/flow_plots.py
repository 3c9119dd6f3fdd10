"""Pictures of a comparison of density models: what they learned, and how fast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch

from trainers.flow_data import DENSITIES
from trainers.flow_networks import VARIANTS

DRAWN = 20_000  # points of a histogram
BINS, REACH = 90, 3.0


def _densities(cases: Mapping[Any, Any]) -> list[str]:
    return list(dict.fromkeys(case.density for case in cases))


@torch.no_grad()
def sample_histograms(networks: Mapping[Any, Any], path: Path) -> None:
    """A row a density, first itself, then what every model of the first seed draws."""
    names = [name for name in VARIANTS if any(case.model == name for case in networks)]
    densities, seed = _densities(networks), min(case.seed for case in networks)
    size = (2.2 * (len(names) + 1), 2.3 * len(densities))
    figure, grid = plt.subplots(len(densities), len(names) + 1, figsize=size, squeeze=False, constrained_layout=True)
    for row, density in zip(grid, densities, strict=True):
        _histogram(row[0], DENSITIES[density]().draw(DRAWN, np.random.default_rng(0)), density)
        for axes, name in zip(row[1:], names, strict=True):
            found = next(
                (m for c, m in networks.items() if (c.density, c.model, c.seed) == (density, name, seed)), None
            )
            if found is None:
                axes.axis("off")
                continue
            numbers = torch.from_numpy(np.random.default_rng(1).normal(size=(DRAWN, 4)))
            drawn = found.sample(numbers.to(next(found.parameters())))
            _histogram(axes, drawn.cpu().double().numpy(), VARIANTS[name].title)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _histogram(axes: Any, points: np.ndarray, title: str) -> None:
    reach = (-REACH, REACH)
    counts, _, _ = np.histogram2d(points[:, 1], points[:, 0], bins=BINS, range=(reach, reach))
    axes.imshow(counts, origin="lower", extent=(*reach, *reach), cmap="magma", vmax=np.quantile(counts, 0.995) + 1)
    axes.set(xticks=[], yticks=[])
    axes.set_title(title, fontsize=8)


def learning_curves(
    curves: Mapping[Any, Sequence[Mapping[str, Any]]], records: Sequence[Mapping[str, Any]], path: Path
) -> None:
    """A panel a density: nats of the validation against steps, a line a seed, and the nats of the density itself."""
    densities, first = _densities(curves), min(case.seed for case in curves)
    figure, row = plt.subplots(1, len(densities), figsize=(3.2 * len(densities), 3), squeeze=False,
                               constrained_layout=True)  # fmt: skip
    for axes, density in zip(row[0], densities, strict=True):
        for case, curve in curves.items():
            if case.density == density:
                steps, nats = ([record[key] for record in curve] for key in ("step", "nats"))
                label = VARIANTS[case.model].title if case.seed == first else None
                axes.plot(steps, nats, color=f"C{list(VARIANTS).index(case.model)}", lw=1, label=label)
        least = np.mean([r["nats_of_density"] for r in records if r["density"] == density])
        axes.axhline(least, color="k", lw=0.8, ls=":", label="density itself")
        axes.set(xlabel="steps", ylabel="nats", title=density)
        axes.legend(frameon=False, fontsize=7)
    figure.savefig(path, dpi=110)
    plt.close(figure)
