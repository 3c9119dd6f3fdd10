"""Decoding and figures, on mazes small enough to count by hand."""

from __future__ import annotations

import numpy as np
import pytest

from trainers.maze_score import Score, climb, path_cells, score_cells
from trainers.mazes import MazeBatch, distances, path_length, shortest_path_cells


def drawn(*rows: str) -> MazeBatch:
    """A maze from a drawing: '#' wall, 'S' start, 'G' goal."""
    cells = np.array([list(row) for row in rows])[None]
    start, goal, is_open = cells == "S", cells == "G", cells != "#"
    return MazeBatch(is_open, start, goal, shortest_path_cells(is_open, start, goal))


RING = drawn(
    "#######",
    "#     #",
    "# ### #",
    "#S###G#",
    "# ### #",
    "#     #",
    "#######",
)
CORRIDOR = drawn(
    "#######",
    "#S    #",
    "##### #",
    "#     #",
    "# #####",
    "#G    #",
    "#######",
)


def height(mazes: MazeBatch) -> np.ndarray:
    """A potential that rises towards the start: minus the distance."""
    return -distances(mazes.open, mazes.start).astype(float)


def score(mazes: MazeBatch, chosen: np.ndarray, potential: np.ndarray | None = None) -> Score:
    paths = climb(chosen, height(mazes) if potential is None else potential, mazes.start, mazes.goal)
    return score_cells(mazes, chosen, paths, path_length(mazes))


def test_the_labelled_cells_decode_to_a_shortest_path() -> None:
    for mazes in (RING, CORRIDOR):
        figures = score(mazes, mazes.label).figures()
        assert set(figures.values()) == {1.0}


def test_both_tied_routes_are_labelled_and_either_counts() -> None:
    assert RING.label.sum() == RING.open.sum() == 16
    upper, lower = RING.label.copy(), RING.label.copy()
    upper[0, 4:], lower[0, :3] = False, False
    for half in (upper, lower):
        result = score(RING, half)
        assert (result.valid, result.shortest, result.exact) == (1, 1, 0)
        assert result.precision == 1.0
        assert result.recall == pytest.approx(half.sum() / 16)


def test_a_gap_makes_the_path_invalid() -> None:
    chosen = CORRIDOR.label.copy()
    chosen[0, 3, 3] = False
    result = score(CORRIDOR, chosen)
    assert (result.valid, result.shortest, result.missed, result.extra) == (0, 0, 1, 0)


def test_extra_cells_off_the_way_cost_precision_only() -> None:
    chosen = CORRIDOR.open.copy()
    result = score(CORRIDOR, chosen)
    assert (result.valid, result.shortest, result.exact) == (1, 1, 0)
    assert result.extra == 4
    assert result.precision == pytest.approx(13 / 17)
    assert result.f1 == pytest.approx(2 * 13 / (13 + 17))


def test_a_detour_is_valid_and_not_shortest() -> None:
    mazes = drawn(
        "#######",
        "#S G  #",
        "# ### #",
        "# ### #",
        "# ### #",
        "#     #",
        "#######",
    )
    around = mazes.open.copy()
    around[0, 1, 2] = False
    potential = np.zeros(mazes.open.shape)
    ring = [
        (1, 3),
        (1, 4),
        *((k, 5) for k in range(1, 6)),
        *((5, k) for k in range(4, 0, -1)),
        *((k, 1) for k in (4, 3, 2, 1)),
    ]
    for level, cell in enumerate(ring):
        potential[0][cell] = level
    result = score(mazes, around, potential)
    assert (result.valid, result.shortest) == (1, 0)


def test_the_walk_never_goes_down() -> None:
    flat = np.zeros(CORRIDOR.open.shape)
    paths = climb(CORRIDOR.open, flat, CORRIDOR.start, CORRIDOR.goal)
    assert len(paths[0]) <= 2
    assert path_cells(paths, CORRIDOR.open.shape).sum() == len(paths[0])


def test_scores_add() -> None:
    one, two = score(RING, RING.label), score(CORRIDOR, np.zeros_like(CORRIDOR.label))
    both = one + two
    assert (both.mazes, both.exact, both.valid, both.shortest) == (2, 1, 1, 1)
    assert both.recall == pytest.approx(16 / 29)
    assert Score().figures()["f1"] == 0.0
