"""The answer to one puzzle, by the weights that come with the project."""

from __future__ import annotations

from pathlib import Path

import torch

from trainers.sudoku_evaluate import solve
from trainers.sudoku_weights import WEIGHTS, load_weights


def answer(puzzle: str, weights: Path = WEIGHTS, rounds: int = 64, attempts: int = 32) -> str:
    """The 81 digits that the network gives to a puzzle of 81 characters, 0 or . for a blank. It may be wrong.

    Raises ValueError for text that is no puzzle, and ResumeError without weights.
    """
    if len(puzzle) != 81 or set(puzzle) - set(".0123456789"):
        raise ValueError(f"a puzzle is 81 characters, 1 to 9, and 0 or . for a blank, not {puzzle!r}")
    given = torch.tensor([[int(c) for c in puzzle.replace(".", "0")]])
    return "".join(map(str, solve(load_weights(weights), given, rounds, attempts).digit[0].tolist()))
