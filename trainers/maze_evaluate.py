"""Test a maze network on unseen mazes of any size, with the zero-parameter baselines beside it.

A baseline solves one field with a source at the start on the open cells and climbs it from the goal; it has no
parameter and needs no training:

    "ascent, cg"        m2 = 1e-4, conjugate gradient: exact on trees, averages over routes where there are several
    "ascent, monotone"  m2 = 1, the monotone fixed point: log u falls by nearly the same amount each step, a distance
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from generated.maze import Maze
from trainers.maze_model import SOURCE, WALL, MazeNet
from trainers.maze_score import Score, climb, path_cells, score_cells
from trainers.mazes import MazeBatch, path_length

BASELINES = {"cg": "ascent, cg", "monotone": "ascent, monotone"}  # solver and name
ASCENT_SCREENING = {"cg": 1e-4, "monotone": 1.0}
CELLS = 32 * 39 * 39  # of a batch, about


@dataclass
class Report:
    """Results on one data set: a score per method ("network", "cg", "monotone") and how the solves went."""

    size: int
    kind: str
    scores: dict[str, Score]
    dark: int = 0
    unconverged: int = 0
    iterations: tuple[int, int] = (0, 0)  # largest, of u_start and u_goal and of u_flux
    longest: int = 0  # cells of the longest shortest path
    seconds: float = 0.0

    def records(self) -> list[dict[str, object]]:
        """One flat record per method, for metrics.jsonl."""
        shared = {"size": self.size, "kind": self.kind, "longest": self.longest}
        solves = {"dark": self.dark, "unconverged": self.unconverged, "iterations": list(self.iterations)}
        return [
            {"method": BASELINES.get(method, method), "mazes": score.mazes}
            | shared
            | score.figures()
            | (solves | {"seconds": round(self.seconds, 2)} if method == "network" else {})
            for method, score in self.scores.items()
        ]


def to_tensors(mazes: MazeBatch, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """walk, start, goal and label as bool tensors (B, n, n)."""
    walk, start, goal, label = (torch.from_numpy(x) for x in (mazes.open, mazes.start, mazes.goal, mazes.label))
    return walk.to(device), start.to(device), goal.to(device), label.to(device)


def ascent_field(walk: Tensor, start: Tensor, solver: str) -> Tensor:
    """The field of a baseline, (B, n, n)."""
    open_cells, source = walk[:, None].double(), start[:, None].double()
    exact = solver == "monotone"
    module = Maze(1, solver=solver, rtol=1e-6 if exact else 1e-10, max_iter=20000)
    m2 = torch.where(walk[:, None], ASCENT_SCREENING[solver], 1.0).double()
    return module(open_cells.clamp(min=WALL), m2, source * (SOURCE if exact else 1.0)).u[:, 0]


@torch.no_grad()
def evaluate(
    model: MazeNet,
    mazes: MazeBatch,
    kind: str,
    *,
    device: torch.device | str = "cpu",
    advance: Callable[[int], None] = lambda done: None,
) -> Report:
    """Score the network and the baselines on labelled mazes of one size; ``advance`` hears how many are done."""
    size = mazes.open.shape[1]
    report = Report(size, kind, {name: Score() for name in ("network", *BASELINES)})
    step = max(1, CELLS // size**2)
    for first in range(0, len(mazes), step):
        batch = mazes[first : first + step]
        distance = path_length(batch)
        walk, start, goal, _ = to_tensors(batch, device)
        began = time.monotonic()
        said = model(walk, start, goal)
        chosen = (said.logits > 0).cpu().numpy()
        paths = climb(chosen, said.potential.cpu().numpy(), batch.start, batch.goal)
        report.seconds += time.monotonic() - began
        report.scores["network"] += score_cells(batch, chosen, paths, distance)
        report.dark += int(said.dark.sum())
        report.unconverged += int((said.status != 0).any(1).sum())
        most = (max(a, b) for a, b in zip(report.iterations, said.iterations.amax(0).tolist(), strict=True))
        report.iterations = (next(most), next(most))
        report.longest = max(report.longest, int(distance.max()) + 1)
        for solver in BASELINES:
            field = ascent_field(walk, start, solver).cpu().numpy()
            paths = climb(batch.open, field, batch.start, batch.goal)
            cells = path_cells(paths, batch.open.shape)
            report.scores[solver] += score_cells(batch, cells, paths, distance)
        advance(first + len(batch))
    return report
