"""Sudokus: one solution each, graded by what solves them, train and test apart under all symmetries."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from trainers import sudokus
from trainers.sudoku_grade import LEVELS, grade, locked, naked, subsets, wings
from trainers.sudoku_solve import count_solutions, cube_of, pack, propagate, unpack
from trainers.sudokus import Puzzles, cached_puzzles, cycle_type, dig, invariant, join, make_grids, make_puzzles

CELL = np.arange(81)
UNITS = [np.flatnonzero(of == k) for of in (CELL // 9, CELL % 9, CELL // 27 * 3 + CELL % 9 // 3) for k in range(9)]
PEERS = [sorted({int(j) for unit in UNITS if k in unit for j in unit} - {k}) for k in range(81)]
DIGITS = frozenset(range(1, 10))
EASY = "530070000600195000098000060800060003400803001700020006060000280000419005000080079"
CHAINS = "800000000003600000070090200050007000000045700000100030001000068008500010090000400"


def read(text: str) -> np.ndarray:
    return np.array([[int(character) for character in text]], dtype=np.uint8)


def solutions(puzzle: np.ndarray, most: int = 2) -> list[list[int]]:
    """A plain search, one puzzle at a time, the cell with the fewest candidates first."""
    cells = puzzle.tolist()
    if any(cells[k] and cells[k] in {cells[j] for j in PEERS[k]} for k in range(81)):
        return []
    found: list[list[int]] = []

    def search() -> None:
        free = {k: DIGITS - {cells[j] for j in PEERS[k]} for k in range(81) if cells[k] == 0}
        if not free:
            found.append(list(cells))
            return
        cell = min(free, key=lambda k: len(free[k]))
        for digit in sorted(free[cell]):
            if len(found) < most:
                cells[cell] = digit
                search()
        cells[cell] = 0

    search()
    return found


@pytest.fixture(scope="module")
def puzzles() -> Puzzles:
    return make_puzzles(128, seed=5, split="train")


def test_every_puzzle_has_its_solution_and_no_other(puzzles: Puzzles) -> None:
    assert len(puzzles) == 128
    for given, solution in list(zip(puzzles.given, puzzles.solution, strict=True))[:12]:
        found = solutions(given)
        assert len(found) == 1
        assert (found[0] == solution).all()
    assert ((puzzles.given == 0) | (puzzles.given == puzzles.solution)).all()
    assert all((np.sort(puzzles.solution[:, unit], axis=1) == np.arange(1, 10)).all() for unit in UNITS)


def test_a_puzzle_dug_to_the_end_is_minimal() -> None:
    rng = np.random.default_rng(0)
    grids = make_grids(3, rng)
    for given in dig(grids, np.zeros(3, dtype=int), rng):
        for cell in np.flatnonzero(given)[:8]:
            fewer = given.copy()
            fewer[cell] = 0
            assert len(solutions(fewer)) == 2
    assert ((dig(grids, np.full(3, 50), rng) > 0).sum(axis=1) == 50).all()


def test_solutions_are_counted_as_by_a_plain_search(puzzles: Puzzles) -> None:
    rng = np.random.default_rng(1)
    fewer = puzzles.given[:16].copy()
    for row in fewer:
        row[rng.choice(np.flatnonzero(row), size=1)] = 0
    fewer[0, :2] = 5  # twice in a row
    count, found = count_solutions(cube_of(fewer))
    assert count[0] == 0
    assert count[1:].tolist() == [len(solutions(row)) for row in fewer[1:]]
    assert {1, 2} <= set(count.tolist())
    assert (found[count == 0] == 0).all()


def test_packing_is_undone(puzzles: Puzzles) -> None:
    cube = cube_of(puzzles.given[:70])
    assert (unpack(pack(cube), 70) == cube).all()


def test_singles_place_what_they_must() -> None:
    bits, possible, solved = propagate(pack(cube_of(np.concatenate([read(EASY), read(CHAINS)]))))
    assert unpack(possible, 2).all()
    assert unpack(solved, 2).tolist() == [True, False]
    assert (unpack(bits, 1).reshape(9, 81).argmax(axis=0) + 1 == solutions(read(EASY)[0])[0]).all()


def singles_solve(given: np.ndarray) -> bool:
    """Naked and hidden singles, cell by cell."""
    free = [set(range(1, 10)) if not given[k] else {int(given[k])} for k in range(81)]
    while True:
        before = [set(x) for x in free]
        for unit in UNITS:
            for cell in unit:
                if len(free[cell]) == 1:
                    for other in unit:
                        if other != cell:
                            free[other] -= free[cell]
            for digit in range(1, 10):
                places = [cell for cell in unit if digit in free[cell]]
                if len(places) == 1:
                    free[places[0]] = {digit}
        if free == before:
            return all(len(x) == 1 for x in free)


def test_easy_is_what_singles_solve(puzzles: Puzzles) -> None:
    assert [singles_solve(given) for given in puzzles.given] == (puzzles.level == 0).tolist()
    assert set(puzzles.level.tolist()) == set(range(len(LEVELS)))
    assert grade(np.concatenate([read(EASY), read(CHAINS)])).tolist() == [0, 3]


def left_to_do(free: np.ndarray) -> list[str]:
    """Eliminations that are still open in candidates (9, 81), found by plain loops."""
    found = []
    squares = [(f"unit {k}", free[:, unit]) for k, unit in enumerate(UNITS)]
    squares += [(f"digit {d}", free[d].reshape(9, 9)) for d in range(9)]
    for name, square in squares:
        for side in (square, square.T):
            for size in (2, 3, 4):
                for chosen in combinations(range(9), size):
                    union = side[:, list(chosen)].any(axis=1)
                    others = [k for k in range(9) if k not in chosen]
                    if union.sum() == size and side[union][:, others].any():
                        found.append(f"{name}, {size}")
    for one in UNITS:
        for two in UNITS:
            shared = np.intersect1d(one, two)
            if len(shared) == 3:
                rest_one, rest_two = np.setdiff1d(one, shared), np.setdiff1d(two, shared)
                bound = free[:, shared].any(axis=1) & ~free[:, rest_one].any(axis=1)
                if (bound & free[:, rest_two].any(axis=1)).any():
                    found.append("locked")
    return found


def test_techniques_are_sound_and_complete(puzzles: Puzzles) -> None:
    chosen = puzzles[puzzles.level == 3][:6]
    cube = pack(cube_of(chosen.given))
    while True:
        before, _, _ = propagate(cube)
        cube = subsets(locked(before), (2, 3, 4), fish=True)
        if (cube == before).all():
            break
    for free, solution in zip(unpack(cube, 6).reshape(6, 9, 81), chosen.solution, strict=True):
        assert free[solution - 1, CELL].all()
        assert left_to_do(free) == []
        assert wings(free)[solution - 1, CELL].all()


def test_a_wing_is_seen() -> None:
    free = np.ones((9, 81), dtype=bool)
    for cell, digits in ((0, (0, 1)), (8, (0, 2)), (72, (1, 2))):
        free[:, cell] = False
        free[list(digits), cell] = True
    after = wings(free)
    assert np.argwhere(free & ~after).tolist() == [[2, 80]]  # the one cell that sees both ends
    free[2, 0] = True  # an XYZ-wing would need a cell that sees all three
    assert (wings(free) == free).all()


def test_naked_needs_as_many_values_as_entries() -> None:
    entries = np.zeros((9, 9, 1), dtype=np.uint64)
    entries[:, :, 0] = 1
    entries[:, [2, 5], 0] = 0
    entries[[3, 7], 2, 0] = entries[[3, 7], 5, 0] = 1
    after = naked(entries, (2,))[:, :, 0]
    assert (after[[3, 7]].sum(axis=1) == 2).all()
    assert after.sum() == 7 * 7 + 4


def image(grid: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random symmetric image of a grid (81,)."""
    square = rng.permutation(9)[grid.reshape(9, 9) - 1] + 1
    for _ in range(2):
        order = np.concatenate([3 * band + rng.permutation(3) for band in rng.permutation(3)])
        square = square[order].T
    return (square.T if rng.random() < 0.5 else square).reshape(81)


def test_the_invariant_is_one_and_tells_grids_apart() -> None:
    rng = np.random.default_rng(2)
    grids = make_grids(64, rng)
    images = np.stack([image(grid, rng) for grid in grids]).astype(np.uint8)
    assert (images != grids).any(axis=1).all()
    assert all((np.sort(images[:, unit], axis=1) == np.arange(1, 10)).all() for unit in UNITS)
    assert (invariant(grids) == invariant(images)).all()
    assert len(set(invariant(grids).tolist())) >= 62


def test_cycle_types() -> None:
    permutations = np.array([[1, 0, 3, 4, 2, 6, 7, 8, 5], range(9), [*range(1, 9), 0]])
    assert cycle_type(permutations).tolist() == [2 * 10 + 3 * 100 + 4 * 1000, 9, 9 * 10**8]


def test_train_and_test_do_not_meet(puzzles: Puzzles) -> None:
    test = make_puzzles(8, seed=5, split="test")
    assert (invariant(test.solution) % np.uint64(sudokus.TEST_SHARE) == 0).all()
    assert (invariant(puzzles.solution) % np.uint64(sudokus.TEST_SHARE) != 0).all()
    with pytest.raises(ValueError, match="unknown 'validation'"):
        make_puzzles(1, seed=0, split="validation")


def test_equal_arguments_give_equal_puzzles_kept_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = cached_puzzles(tmp_path, 8, seed=1, split="train")
    again = make_puzzles(8, seed=1, split="train")
    other = make_puzzles(8, seed=2, split="train")
    assert (first.given == again.given).all()
    assert (first.given != other.given).any(axis=1).all()
    monkeypatch.setattr(sudokus, "make_puzzles", None)
    kept = cached_puzzles(tmp_path, 8, seed=1, split="train")
    assert all((getattr(kept, name) == getattr(first, name)).all() for name in ("given", "solution", "level"))
    assert len(join([kept, first])) == 16
