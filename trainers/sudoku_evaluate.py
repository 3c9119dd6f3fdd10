"""Solve puzzles with a trained network, and score the answers level by level."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from trainers.sudoku_grade import LEVELS
from trainers.sudoku_model import SudokuNet
from trainers.sudoku_score import Score, score
from trainers.sudokus import Puzzles

SURE = 0.9  # a puzzle is settled once the network gives every cell at least this probability
BATCH = 64


def to_tensors(puzzles: Puzzles, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """given (B, 81) with 0 for a blank, and solution - 1, the label; int64."""
    given, solution = (torch.from_numpy(x.astype(np.int64)).to(device) for x in (puzzles.given, puzzles.solution))
    return given, solution - 1


def sure(logits: Tensor) -> tuple[Tensor, Tensor]:
    """The most probable digit - 1 of logits (B, 9, n), and (B,) bool: is every cell at least SURE of it."""
    probability, digit = logits.softmax(dim=1).max(dim=1)
    return digit, probability.amin(dim=1) >= SURE


@torch.no_grad()
def solve(network: SudokuNet, given: Tensor, rounds: int) -> tuple[Tensor, Tensor, Tensor]:
    """Answers (B, n), (B,) bool whether settled, and (B,) rounds taken, at most ``rounds``.

    A puzzle stops in the round in which the network is sure of every cell; whether it is right plays no part in that.
    """
    answer, taken = torch.zeros_like(given), torch.full_like(given[:, 0], rounds)
    settled = torch.zeros_like(taken, dtype=torch.bool)
    active, state = torch.arange(len(given), device=given.device), network.start(given)
    for k in range(1, rounds + 1):
        state, logits = network(state, given[active], 1)
        digit, stops = sure(logits[-1])
        answer[active] = digit + 1
        settled[active], taken[active[stops]] = stops, k
        active, state = active[~stops], state[~stops]
        if not len(active):
            break
    return answer, settled, taken


@dataclass
class Report:
    """A score per level, in the order of LEVELS, and the seconds of the network."""

    scores: dict[str, Score] = field(default_factory=dict)
    seconds: float = 0.0

    def records(self) -> list[dict[str, object]]:
        """One flat record per level, for metrics.jsonl."""
        return [{"level": name, "puzzles": score.puzzles} | score.figures() for name, score in self.scores.items()]


def evaluate(
    network: SudokuNet,
    puzzles: Puzzles,
    rounds: int,
    *,
    device: torch.device | str = "cpu",
    advance: Callable[[int], None] = lambda done: None,
) -> Report:
    """Solve labelled puzzles, grouped by level; ``advance`` hears how many are done."""
    report, done = Report(), 0
    for level, name in enumerate(LEVELS):
        group = puzzles[puzzles.level == level]
        for first in range(0, len(group), BATCH):
            batch = group[first : first + BATCH]
            given, _ = to_tensors(batch, device)
            began = time.monotonic()
            answers = [x.cpu().numpy() for x in solve(network, given, rounds)]
            report.seconds += time.monotonic() - began
            report.scores[name] = report.scores.get(name, Score()) + score(batch, *answers)
            done += len(batch)
            advance(done)
    return report
