"""Figures, counted by hand, and files of puzzles, right and wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trainers.sudoku_score import PuzzleFileError, Score, breaks_rules, read_puzzles, score
from trainers.sudokus import Puzzles

PUZZLE = "530070000600195000098000060800060003400803001700020006060000280000419005000080079"
SOLUTION = "534678912672195348198342567859761423426853791713924856961537284287419635345286179"
HARD = "800000000003600000070090200050007000000045700000100030001000068008500010090000400"


def digits(text: str) -> np.ndarray:
    return np.array([int(character) for character in text], dtype=np.uint8)


def three() -> tuple[Puzzles, np.ndarray]:
    """One puzzle three times, with three answers: right, two cells exchanged, a given changed."""
    puzzles = Puzzles(*(np.stack([digits(text)] * 3) for text in (PUZZLE, SOLUTION)), np.zeros(3, dtype=np.uint8))
    answer = puzzles.solution.copy()
    answer[1, [2, 3]] = answer[1, [3, 2]]
    answer[2, 0] = 9
    return puzzles, answer


def test_figures() -> None:
    puzzles, answer = three()
    blank = PUZZLE.count("0")
    counted = score(puzzles, answer, np.array([True, False, False]), np.array([5, 9, 9]), answer[[1, 0, 0]])
    assert counted == Score(
        puzzles=3, exact=1, blank=3 * blank, right=3 * blank - 2, conflict=2, settled=1, rounds=23, first=2
    )
    figures = counted.figures()
    assert figures["exact"] == figures["settled"] == pytest.approx(1 / 3)
    assert figures["conflict"] == pytest.approx(2 / 3)
    assert figures["cells"] == pytest.approx(1 - 2 / (3 * blank))
    assert figures["rounds"] == pytest.approx(23 / 3)
    assert figures["first"] == pytest.approx(2 / 3)
    assert set(Score().figures().values()) == {0.0}


def test_an_answer_may_keep_the_rules_and_still_change_a_given() -> None:
    puzzles, _ = three()
    one = puzzles[:1]
    renamed = one.solution % 9 + 1
    assert not breaks_rules(renamed).any()
    assert score(one, renamed, np.array([True]), np.array([1]), renamed).conflict == 1


@pytest.mark.parametrize("cells", [(0, 1), (0, 9), (0, 10)], ids=["row", "column", "box"])
def test_a_digit_twice_breaks_the_rules(cells: tuple[int, int]) -> None:
    grid = digits(SOLUTION)[None].copy()
    assert not breaks_rules(grid).any()
    grid[0, cells[0]] = grid[0, cells[1]]
    assert breaks_rules(grid).all()


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "puzzles.txt"
    path.write_text(f"# two of them\n{PUZZLE},{SOLUTION}\n\n{HARD.replace('0', '.')}\n{PUZZLE}  {SOLUTION}\n")
    puzzles = read_puzzles(path)
    assert (puzzles.given == np.stack([digits(x) for x in (PUZZLE, HARD, PUZZLE)])).all()
    assert (puzzles.solution[0] == digits(SOLUTION)).all()
    assert not breaks_rules(puzzles.solution).any()
    assert puzzles.level.tolist() == [0, 3, 0]


WRONG = {
    "53007": "the puzzle has 5 characters, not 81",
    PUZZLE[:-1] + "x": "character 81 of the puzzle is 'x'",
    PUZZLE[:-1] + "²": "character 81 of the puzzle is '²'",
    "55" + PUZZLE[2:]: "the puzzle has no solution",
    "0" * 81: "the puzzle has more than one solution",
    f"{PUZZLE},{SOLUTION[:-1]}8": "the second grid is not the solution of the first",
    f"{PUZZLE},{PUZZLE}": "the solution has blanks",
    f"{PUZZLE} {SOLUTION} easy": "3 words",
}


@pytest.mark.parametrize("line", WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_named_by_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "puzzles.txt"
    path.write_text(f"{PUZZLE}\n\n{line}\n")
    with pytest.raises(PuzzleFileError) as caught:
        read_puzzles(path)
    assert str(caught.value).startswith(f"{path}, line 3: {WRONG[line]}")
    assert "\n" not in str(caught.value)


def test_all_wrong_lines_are_named_up_to_ten(tmp_path: Path) -> None:
    path = tmp_path / "puzzles.txt"
    path.write_text("1\n" * 12 + PUZZLE)
    with pytest.raises(PuzzleFileError) as caught:
        read_puzzles(path)
    lines = str(caught.value).splitlines()
    assert lines[-1] == "and 2 more lines"
    assert [line.split(": ")[0] for line in lines[:-1]] == [f"{path}, line {k}" for k in range(1, 11)]


def test_a_file_without_puzzles(tmp_path: Path) -> None:
    empty, binary = tmp_path / "empty.txt", tmp_path / "binary.txt"
    empty.write_text("# nothing\n")
    binary.write_bytes(b"\xff\xfe\x00")
    for path, what in ((empty, "no puzzle in it"), (binary, "cannot be read"), (tmp_path / "none.txt", "cannot be")):
        with pytest.raises(PuzzleFileError, match=what):
            read_puzzles(path)
