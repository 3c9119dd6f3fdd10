"""From cells to a path, and how good it is.

Decoding. The network says which cells lie on a shortest path (logit > 0). The path starts at the goal and steps, as
long as it can, to the neighbour of largest potential among the cells that the network chose and the start; it must
climb at every step. The potential is a field that rises towards the start. Nothing is searched and nothing is undone:
if one cell is missing, the path ends there and counts as invalid; if a wrong cell is chosen and taken, it counts as
not shortest. With all cells chosen the same walk is the zero-parameter baseline, the steepest ascent of the field. The
figures per cell (precision, recall, F1, exact) are of the chosen cells alone: no decoding helps them.

Ties. On a loopy maze a cell is positive when *any* shortest path goes through it; a decoded path counts as shortest
when its length is the shortest length, whichever of the tied routes it took.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from trainers.mazes import MazeBatch

STEPS = ((-1, 0), (1, 0), (0, -1), (0, 1))


def climb(chosen: np.ndarray, potential: np.ndarray, start: np.ndarray, goal: np.ndarray) -> list[np.ndarray]:
    """Walk from the goal to the start along chosen cells, always upwards.

    chosen, start, goal (B, n, n) bool, potential (B, n, n) -> per maze the (length, 2) cells visited, the goal first.
    """
    allowed = np.where(chosen | start, potential, -np.inf)
    paths = []
    for height, begin, end in zip(allowed, goal, start, strict=True):
        here, target = (tuple(np.argwhere(mask)[0].tolist()) for mask in (begin, end))
        level, path = -np.inf, [here]
        while here != target:
            near = [(here[0] + i, here[1] + j) for i, j in STEPS]
            best = max(near, key=lambda cell: height[cell])
            if not height[best] > level:
                break
            here, level = best, height[best]
            path.append(here)
        paths.append(np.array(path))
    return paths


@dataclass
class Score:
    """Counts over mazes; sums of scores are scores.

    mazes          how many                    exact     every cell right
    valid          the path arrives            shortest  and has the shortest length
    hit, extra, missed   cells: true positives, false positives, false negatives
    """

    mazes: int = 0
    exact: int = 0
    valid: int = 0
    shortest: int = 0
    hit: int = 0
    extra: int = 0
    missed: int = 0

    def __add__(self, other: Score) -> Score:
        return Score(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def precision(self) -> float:
        return self.hit / max(1, self.hit + self.extra)

    @property
    def recall(self) -> float:
        return self.hit / max(1, self.hit + self.missed)

    @property
    def f1(self) -> float:
        """2 P R / (P + R), from the counts of all cells."""
        return 2 * self.hit / max(1, 2 * self.hit + self.extra + self.missed)

    def figures(self) -> dict[str, float]:
        """What is printed and logged: figures per cell, then fractions of mazes."""
        per_cell = {"precision": self.precision, "recall": self.recall, "f1": self.f1}
        return per_cell | {name: getattr(self, name) / max(1, self.mazes) for name in ("exact", "valid", "shortest")}


def path_cells(paths: list[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """Paths as a (B, n, n) bool array."""
    cells = np.zeros(shape, dtype=bool)
    for k, path in enumerate(paths):
        cells[k, path[:, 0], path[:, 1]] = True
    return cells


def score_cells(mazes: MazeBatch, chosen: np.ndarray, paths: list[np.ndarray], distance: np.ndarray) -> Score:
    """Score chosen cells (B, n, n) bool and decoded paths; ``distance`` is (B,), the shortest number of steps."""
    label = mazes.label
    valid = [bool(mazes.start[k][tuple(path[-1])]) for k, path in enumerate(paths)]
    steps = np.array([len(path) - 1 for path in paths])
    return Score(
        mazes=len(mazes),
        exact=int((chosen == label).all(axis=(1, 2)).sum()),
        valid=sum(valid),
        shortest=int((np.array(valid, dtype=bool) & (steps == distance)).sum()),
        hit=int((chosen & label).sum()),
        extra=int((chosen & ~label).sum()),
        missed=int((~chosen & label).sum()),
    )
