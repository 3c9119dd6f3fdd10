"""The puzzles a process works on: a pool with carried state, from which puzzles leave and are replaced.

A puzzle enters with the network's first state and goes on for one segment of rounds a step; its state is carried from
step to step without gradient, so that late rounds are trained too. It leaves after a number of segments drawn when it
came, or, once solved with certainty, with probability LEAVE a step: most of the work goes to what is not solved.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from trainers.sudoku_evaluate import to_tensors
from trainers.sudoku_grade import LEVELS
from trainers.sudokus import Puzzles

LEAVE = 0.5


@dataclass
class Pool:
    """P puzzles at work: index (P,) into the collection, state (P, 9, n, c), left (P,) segments; fresh (P,) bool."""

    index: Tensor
    state: Tensor
    left: Tensor
    fresh: Tensor

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint keeps."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


def empty_pool(size: int, width: int, cells: int, device: torch.device | str = "cpu") -> Pool:
    """A pool that waits for puzzles."""
    return Pool(
        index=torch.zeros(size, dtype=torch.int64, device=device),
        state=torch.zeros(size, 9, cells, width, device=device),
        left=torch.zeros(size, dtype=torch.int64, device=device),
        fresh=torch.ones(size, dtype=torch.bool, device=device),
    )


def members(puzzles: Puzzles) -> list[np.ndarray]:
    """The indices of the puzzles of every level."""
    return [np.flatnonzero(puzzles.level == level) for level in range(len(LEVELS))]


def fill(
    pool: Pool, by_level: list[np.ndarray], mix: tuple[float, ...], segments: tuple[int, int], key: tuple[int, ...]
) -> int:
    """Draw a puzzle for every free place, by level with the odds ``mix``; returns how many.

    What is drawn is a function of ``key`` (seed, step, process, a number) and the number of places alone.
    """
    places = pool.fresh.nonzero()[:, 0]
    count = len(places)
    if count == 0:
        return 0
    rng = np.random.default_rng(key)
    odds = np.array([share if len(here) else 0.0 for share, here in zip(mix, by_level, strict=True)])
    levels = rng.choice(len(by_level), size=count, p=odds / odds.sum())
    draws = rng.random(count)
    chosen = [by_level[level][int(draw * len(by_level[level]))] for level, draw in zip(levels, draws, strict=True)]
    pool.index[places] = torch.tensor(chosen, dtype=torch.int64, device=pool.index.device)
    pool.left[places] = torch.from_numpy(rng.integers(segments[0], segments[1] + 1, size=count)).to(pool.left)
    return count


def leave(pool: Pool, state: Tensor, solved: Tensor, key: tuple[int, ...]) -> None:
    """Carry the new state; free the places of puzzles whose time is over, and of some that are solved (P,) bool."""
    draws = torch.from_numpy(np.random.default_rng(key).random(len(solved))).to(solved.device)
    pool.state = state.detach()
    pool.left = pool.left - 1
    pool.fresh = (pool.left <= 0) | (solved & (draws < LEAVE))


def batch_of(pool: Pool, puzzles: Puzzles) -> tuple[Tensor, Tensor]:
    """given and label of the pool's puzzles."""
    return to_tensors(puzzles[pool.index.cpu().numpy()], pool.state.device)
