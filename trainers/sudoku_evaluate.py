"""Solve puzzles with a trained network, and score the answers level by level."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields

import numpy as np
import torch
from torch import Tensor

from trainers.sudoku_grade import LEVELS
from trainers.sudoku_model import SudokuNet, normalised
from trainers.sudoku_score import Score, score
from trainers.sudokus import Puzzles

SURE = 0.9  # a puzzle is settled once the network gives every cell at least this probability
BATCH = 64
SPAN = 4  # rounds between two looks at what is settled
NOISE = 0.3  # root mean square of what is added to the first state, itself of one, of every attempt but the first


@dataclass(frozen=True)
class Answers:
    """What the network says of B puzzles.

    digit    (B, n), 1 to 9              settled   (B,) bool: sure of every cell before its rounds were over
    rounds   (B,) taken in all attempts  first     (B, n), the digits at the end of the first attempt
    """

    digit: Tensor
    settled: Tensor
    rounds: Tensor
    first: Tensor


def to_tensors(puzzles: Puzzles, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """given (B, 81) with 0 for a blank, and solution - 1, the label; int64."""
    given, solution = (torch.from_numpy(x.astype(np.int64)).to(device) for x in (puzzles.given, puzzles.solution))
    return given, solution - 1


def sure(logits: Tensor) -> tuple[Tensor, Tensor]:
    """The most probable digit - 1 of logits (..., 9, n), and (...) bool: is every cell at least SURE of it."""
    probability, digit = logits.softmax(dim=-2).max(dim=-2)
    return digit, probability.amin(dim=-1) >= SURE


def first_state(network: SudokuNet, given: Tensor, attempt: int) -> Tensor:
    """The state (B, 9, n, c) that an attempt begins with: the network's own, and from the second attempt on, counted
    from 0, with Gaussian noise, the same for all puzzles. So an answer does not depend on what else is solved."""
    state = network.start(given)
    if attempt == 0:
        return state
    noise = torch.randn(state.shape[1:], generator=torch.Generator().manual_seed(attempt))
    return normalised(state + NOISE * noise.to(state))


@torch.no_grad()
def relax(network: SudokuNet, given: Tensor, state: Tensor, rounds: int) -> tuple[Tensor, Tensor, Tensor]:
    """Digits (B, n), (B,) bool whether settled, and (B,) rounds taken, at most ``rounds``, from a first state.

    A puzzle stops in the round in which the network is sure of every cell; whether it is right plays no part in that.
    """
    answer, taken = torch.zeros_like(given), torch.full_like(given[:, 0], rounds)
    settled = torch.zeros_like(taken, dtype=torch.bool)
    active = torch.arange(len(given), device=given.device)
    for done in range(0, rounds, SPAN):
        state, logits = network(state, given[active], min(SPAN, rounds - done))
        digit, stops = sure(logits)
        stop = stops.any(dim=0)
        last = torch.where(stop, stops.int().argmax(dim=0), len(stops) - 1)
        answer[active] = digit[last, torch.arange(len(active), device=given.device)] + 1
        settled[active[stop]], taken[active[stop]] = True, done + last[stop] + 1
        active, state = active[~stop], state[~stop]
        if not len(active):
            break
    return answer, settled, taken


def solve(
    network: SudokuNet,
    given: Tensor,
    rounds: int,
    attempts: int = 1,
    advance: Callable[[int], None] = lambda settled: None,
) -> Answers:
    """Answers to given (B, n): what is not settled after ``rounds`` begins again from another first state, up to
    ``attempts`` times. ``advance`` hears how many are settled or over."""
    answer, taken = torch.zeros_like(given), torch.zeros_like(given[:, 0])
    settled = torch.zeros_like(taken, dtype=torch.bool)
    first = answer
    for attempt in range(attempts):
        left = (~settled).nonzero()[:, 0]
        if not len(left):
            break
        for batch in left.split(BATCH):
            state = first_state(network, given[batch], attempt)
            answer[batch], settled[batch], used = relax(network, given[batch], state, rounds)
            taken[batch] += used
            advance(int(settled.sum()))
        if attempt == 0:
            first = answer.clone()
    advance(len(given))
    return Answers(answer, settled, taken, first)


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
    attempts: int = 1,
    *,
    device: torch.device | str = "cpu",
    advance: Callable[[int], None] = lambda done: None,
) -> Report:
    """Solve labelled puzzles, grouped by level; ``advance`` hears how many are done."""
    report, done = Report(), 0
    for level, name in enumerate(LEVELS):
        group = puzzles[puzzles.level == level]
        if not len(group):
            continue
        given, _ = to_tensors(group, device)
        began = time.monotonic()
        answers = solve(network, given, rounds, attempts, lambda settled: advance(done + settled))  # noqa: B023
        report.seconds += time.monotonic() - began
        report.scores[name] = score(group, *(getattr(answers, f.name).cpu().numpy() for f in fields(answers)))
        done += len(group)
    return report
