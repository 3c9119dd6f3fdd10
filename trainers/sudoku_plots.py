"""Pictures of a Sudoku run: the learning curve, the learned couplings, and a solve.

The network does not know where a cell lies; the pictures draw cell k at row k // 9 and column k % 9, so that rows,
columns and boxes show wherever they were learned.
"""

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

from trainers.sudoku_evaluate import sure, to_tensors
from trainers.sudoku_model import SudokuNet
from trainers.sudokus import Puzzles

SHOWN_CELL = 40  # row 4, column 4
WINDOW = 50  # steps that a point of the learning curve averages
GIVEN, RIGHT, WRONG = "0.1", "#1f4e9c", "#d1352b"


def learning_curve(records: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Loss, cells right and the share of leaving puzzles that are solved, against the steps."""
    width = max(1, min(WINDOW, len(records) // 4))
    used = len(records) // width * width

    def mean(name: str) -> np.ndarray:
        result: np.ndarray = (
            np.array([record[name] for record in records[:used]], dtype=float).reshape(-1, width).mean(axis=1)
        )
        return result

    step = mean("step")
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), constrained_layout=True)
    left.semilogy(step, mean("loss"))
    left.set(xlabel="step", ylabel="cross entropy per cell")
    right.plot(step, mean("cells"), label="cells right, puzzles at work")
    right.plot(step, mean("left_solved") / mean("left").clip(min=1e-9), label="leaving puzzles that are solved")
    right.set(xlabel="step", ylim=(-0.02, 1.02))
    right.legend(frameon=False, loc="lower right")
    figure.savefig(path, dpi=130)
    plt.close(figure)


@torch.no_grad()
def couplings(network: SudokuNet, path: Path) -> None:
    """The learned W of every head, 81 x 81."""
    weight, m2 = network.couplings(), network.physics.m2
    columns = min(4, len(weight))
    rows = -(-len(weight) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(3.4 * columns, 3.2 * rows), constrained_layout=True)
    for head, panel in enumerate(np.ravel(axes)):
        panel.set(xticks=[], yticks=[])
        if head < len(weight):
            shown = panel.imshow(weight[head].cpu().numpy(), cmap="magma_r", vmin=0, interpolation="nearest")
            panel.set(title=f"head {head}: W, m2 = {float(m2[head]):.2f}")
            figure.colorbar(shown, ax=panel, shrink=0.8)
    figure.savefig(path, dpi=110)
    plt.close(figure)


@torch.no_grad()
def neighbours(network: SudokuNet, path: Path) -> None:
    """What the cell in the middle is coupled to: W above, the field of a source there below, a column per head."""
    weight = network.couplings()
    units = network.unit_fields(weight)
    figure, axes = plt.subplots(
        2, len(weight), figsize=(1.7 * len(weight), 3.8), constrained_layout=True, squeeze=False
    )
    for head in range(len(weight)):
        for panel, values in zip(axes[:, head], (weight, units), strict=True):
            field = values[head, SHOWN_CELL].cpu().numpy().copy()
            field[SHOWN_CELL] = np.nan  # the field at its source outshines all others
            panel.imshow(field.reshape(9, 9), cmap="magma_r", vmin=0, interpolation="nearest")
            _boxes(panel)
        axes[0, head].set_title(f"head {head}", fontsize=9)
    for panel, what in zip(axes[:, 0], ("W", "field"), strict=True):
        panel.set_ylabel(what)
    figure.savefig(path, dpi=130)
    plt.close(figure)


@torch.no_grad()
def solving(network: SudokuNet, puzzle: Puzzles, most: int, path: Path, panels: int = 8) -> None:
    """One puzzle (a batch of one) unfolding: the likeliest digit of every cell after some of the rounds."""
    device = next(network.parameters()).device
    given, label = to_tensors(puzzle, device)
    state, frames = network.start(given), []
    for _ in range(most):
        state, logits = network(state, given, 1)
        digit, certain = sure(logits[-1])
        frames.append((digit[0].cpu().numpy(), logits[-1].softmax(dim=1).amax(dim=1)[0].cpu().numpy()))
        if certain:
            break
    shown = np.unique(np.geomspace(1, len(frames), panels).round().astype(int))
    figure, axes = plt.subplots(2, -(-len(shown) // 2), figsize=(11, 6), constrained_layout=True, squeeze=False)
    for panel in axes.flat:
        panel.set_axis_off()
    for panel, rounds in zip(axes.flat, shown, strict=False):
        digit, probability = frames[rounds - 1]
        panel.set_axis_on()
        panel.imshow(np.ones((9, 9)), cmap="gray", vmin=0, vmax=1)
        for cell in range(81):
            is_given = bool(puzzle.given[0, cell])
            colour = GIVEN if is_given else RIGHT if digit[cell] == int(label[0, cell]) else WRONG
            opacity = 1.0 if is_given else float(max(probability[cell], 0.1))
            panel.text(
                cell % 9, cell // 9, str(digit[cell] + 1), ha="center", va="center", color=colour, alpha=opacity,
                fontweight="bold" if is_given else "normal",
            )  # fmt: skip
        wrong = int((digit != label[0].cpu().numpy()).sum())
        panel.set_title(f"round {rounds}: {wrong} cells wrong", fontsize=9)
        _boxes(panel)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _boxes(panel: Axes) -> None:
    """Lines between the boxes, no ticks."""
    panel.set(xticks=[], yticks=[])
    for k in (2.5, 5.5):
        panel.axhline(k, color="0.6", linewidth=0.6)
        panel.axvline(k, color="0.6", linewidth=0.6)
