"""Pictures of a maze run: the learning curve, and solved mazes with the physics that solved them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes

from trainers.maze_evaluate import to_tensors
from trainers.maze_model import MazeNet
from trainers.maze_score import climb
from trainers.mazes import MazeBatch

WALLS, START, GOAL = "0.25", "#2a9d3a", "#d1352b"


def learning_curve(records: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Losses of both heads (log scale) and F1 per cell against the steps, from the records of a run."""
    step = [r["step"] for r in records]
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), constrained_layout=True)
    for name, label in (("loss_length", "by length"), ("loss_topology", "by topology, perfect mazes")):
        left.semilogy(step, [r[name] for r in records], label=label)
    left.set(xlabel="step", ylabel="cross entropy per cell")
    left.legend(frameon=False)
    for name, label in (("f1_length", "by length"), ("f1_topology", "by topology, perfect mazes")):
        right.plot(step, [r[name] for r in records], label=label)
    right.set(xlabel="step", ylabel="F1 per cell, training batch", ylim=(-0.02, 1.02))
    right.legend(frameon=False, loc="lower right")
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _base(axes: Axes, mazes: MazeBatch, title: str) -> None:
    """Walls, start and goal."""
    axes.imshow(np.where(mazes.open[0], np.nan, 1.0), cmap="gray_r", vmin=0, vmax=1.25, interpolation="nearest")
    for mask, colour in ((mazes.start, START), (mazes.goal, GOAL)):
        row, col = np.argwhere(mask[0])[0]
        axes.plot(col, row, "o", color=colour, markersize=5, markeredgecolor="white", zorder=5)
    axes.set(title=title, xticks=[], yticks=[])


@torch.no_grad()
def solved_mazes(model: MazeNet, cases: Mapping[str, MazeBatch], path: Path) -> None:
    """A row per maze (batches of one): walls, field log u_start, energy flux, chosen cells and decoded path."""
    device = next(model.parameters()).device
    figure, rows = plt.subplots(len(cases), 4, figsize=(15, 3.9 * len(cases)), constrained_layout=True, squeeze=False)
    for axes, (name, mazes) in zip(rows, cases.items(), strict=True):
        walk, start, goal, _ = to_tensors(mazes, device)
        said = model(walk, start, goal)
        is_open = mazes.open[0]

        _base(axes[0], mazes, name)

        potential = np.where(is_open, said.potential[0].cpu().numpy(), np.nan)
        dark = bool(said.dark[0])
        if not dark:
            potential /= np.log(10)
        shown = axes[1].imshow(potential, cmap="viridis", interpolation="nearest")
        figure.colorbar(shown, ax=axes[1], shrink=0.8)
        _base(axes[1], mazes, "dipole field u" if dark else "field: log10 of u from the start")

        down, right = (x[0].cpu().numpy() for x in said.energy_flux())
        across, along, through = (np.zeros(is_open.shape) for _ in range(3))
        for total, axis, flux in ((along, 0, down), (across, 1, right)):
            pad = [(0, 0), (0, 0)]
            for side in ((1, 0), (0, 1)):  # the edge behind a cell, the edge ahead of it
                pad[axis] = side
                total += np.pad(flux, pad) / 2
                through += np.abs(np.pad(flux, pad)) / 2
        through += (mazes.start[0] | mazes.goal[0]) / 2  # what the sources give and take
        shown = axes[2].imshow(np.where(is_open, through, np.nan), cmap="magma_r", vmin=0, interpolation="nearest")
        figure.colorbar(shown, ax=axes[2], shrink=0.8)
        row, col = np.nonzero(through > 0.2)
        unit = np.hypot(across, along)[row, col].clip(min=1e-9)
        axes[2].quiver(
            col, row, across[row, col] / unit, along[row, col] / unit,
            angles="xy", color="white", scale=1.4 * len(is_open), width=0.004,
        )  # fmt: skip
        _base(axes[2], mazes, "energy flux, start to goal")

        chosen = (said.logits > 0).cpu().numpy()
        cells = climb(chosen, said.potential.cpu().numpy(), mazes.start, mazes.goal)[0]
        wrong = (chosen[0] != mazes.label[0]) & is_open
        axes[3].imshow(np.where(chosen[0], 1.0, np.nan), cmap="Blues", vmin=0, vmax=2.5, interpolation="nearest")
        axes[3].imshow(np.where(wrong, 1.0, np.nan), cmap="autumn", vmin=0, vmax=2, interpolation="nearest")
        axes[3].plot(cells[:, 1], cells[:, 0], color="#1f4e9c", linewidth=1.6)
        _base(axes[3], mazes, f"chosen cells and path; {int(wrong.sum())} cells wrong")
    figure.savefig(path, dpi=120)
    plt.close(figure)
