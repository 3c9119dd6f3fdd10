"""Files of puzzles, and how good answers are. Here alone the rules of the game are known, to judge by them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainers.sudoku_grade import grade
from trainers.sudoku_solve import CELLS, count_solutions, cube_of
from trainers.sudokus import Puzzles

SHOWN = 10  # lines of a file that an error names


class PuzzleFileError(ValueError):
    """A file that holds something else than puzzles with one solution: says which lines and what is wrong there."""


def breaks_rules(grids: np.ndarray) -> np.ndarray:
    """(B,) bool: some digit of a full grid (B, 81) comes twice in a row, column or box."""
    square = grids.reshape(-1, 9, 9)
    boxes = square.reshape(-1, 3, 3, 3, 3).swapaxes(2, 3).reshape(-1, 9, 9)
    broken = np.zeros(len(grids), dtype=bool)
    for lines in (square, square.swapaxes(1, 2), boxes):
        broken |= (np.sort(lines, axis=2) != np.arange(1, 10)).any(axis=(1, 2))
    return broken


@dataclass
class Score:
    """Counts over puzzles.

    puzzles   how many                         exact      every cell right
    blank     cells that were not given        right      of them, answered right
    conflict  answers that break a rule or change a given
    first     every cell right at the end of the first attempt
    settled   the network was sure of every cell before the last round of the last attempt
    rounds    sum over puzzles of the rounds taken
    """

    puzzles: int = 0
    exact: int = 0
    blank: int = 0
    right: int = 0
    conflict: int = 0
    settled: int = 0
    rounds: int = 0
    first: int = 0

    def figures(self) -> dict[str, float]:
        """What is printed and logged: fractions of puzzles, of blank cells, and the mean of the rounds."""
        names = ("exact", "first", "conflict", "settled", "rounds")
        per_puzzle = {name: getattr(self, name) / max(1, self.puzzles) for name in names}
        return per_puzzle | {"cells": self.right / max(1, self.blank)}


def score(puzzles: Puzzles, answer: np.ndarray, settled: np.ndarray, rounds: np.ndarray, first: np.ndarray) -> Score:
    """Judge answers (B, 81), and ``first``, those of the first attempt; ``settled`` (B,) bool, ``rounds`` (B,) int."""
    blank, right = puzzles.given == 0, answer == puzzles.solution
    changed = (~blank & (answer != puzzles.given)).any(axis=1)
    return Score(
        puzzles=len(puzzles),
        exact=int(right.all(axis=1).sum()),
        blank=int(blank.sum()),
        right=int((right & blank).sum()),
        conflict=int((changed | breaks_rules(answer)).sum()),
        settled=int(settled.sum()),
        rounds=int(rounds.sum()),
        first=int((first == puzzles.solution).all(axis=1).sum()),
    )


def read_puzzles(path: Path) -> Puzzles:
    """A text file of one puzzle a line: 81 characters, 0 or . for a blank, and, if known, its solution after a comma
    or white space. Empty lines and lines that begin with # are skipped.

    Raises PuzzleFileError, which names the lines, for text that is no puzzle, a solution that is none, and puzzles
    with no or several solutions.
    """
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise PuzzleFileError(f"{path}: cannot be read as text: {error}") from error
    wrong: dict[int, str] = {}
    numbers, rows = [], []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.replace(",", " ").split()
        if not words or words[0].startswith("#"):
            continue
        problem = _problem(words)
        if problem:
            wrong[number] = problem
            continue
        numbers.append(number)
        rows.append([_digits(word) for word in (*words, "." * CELLS)[:2]])
    pairs = np.array(rows, dtype=np.uint8).reshape(-1, 2, CELLS)
    given, solution = pairs[:, 0], pairs[:, 1]
    count, found = count_solutions(cube_of(given))
    for k, number in enumerate(numbers):
        if count[k] != 1:
            wrong[number] = "the puzzle has no solution" if count[k] == 0 else "the puzzle has more than one solution"
        elif solution[k].any() and (solution[k] != found[k]).any():
            wrong[number] = "the second grid is not the solution of the first"
    if wrong:
        lines = [f"{path}, line {number}: {wrong[number]}" for number in sorted(wrong)]
        rest = [f"and {len(lines) - SHOWN} more lines"] if len(lines) > SHOWN else []
        raise PuzzleFileError("\n".join(lines[:SHOWN] + rest))
    if not len(given):
        raise PuzzleFileError(f"{path}: no puzzle in it; wanted are lines of {CELLS} digits, 0 or . for a blank")
    return Puzzles(given, found, grade(given))


def _digits(word: str) -> list[int]:
    return [int(character) for character in word.replace(".", "0")]


def _problem(words: list[str]) -> str | None:
    """What keeps a line from being a puzzle, and perhaps its solution."""
    if len(words) > 2:
        return f"{len(words)} words; wanted are a puzzle and, if known, its solution"
    for name, word in zip(("puzzle", "solution"), words, strict=False):
        if len(word) != CELLS:
            return f"the {name} has {len(word)} characters, not {CELLS}"
        strange = [k for k, character in enumerate(word) if character not in ".0123456789"]
        if strange:
            return f"character {strange[0] + 1} of the {name} is {word[strange[0]]!r}; wanted are 0 to 9 and ."
    if len(words) == 2 and set(words[1]) & set(".0"):
        return "the solution has blanks"
    return None
