"""Mazes: trees are trees, loops are loops, labels are shortest paths, splits do not meet."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

from trainers.mazes import ALGORITHMS, KINDS, MazeBatch, carve, distances, join, make_mazes, path_length, place_ends


def graph_of(is_open: np.ndarray) -> nx.Graph:
    """The open cells of one maze, joined where they touch."""
    graph = nx.grid_2d_graph(*is_open.shape)
    graph.remove_nodes_from([tuple(cell) for cell in np.argwhere(~is_open).tolist()])
    return graph


def end_of(mask: np.ndarray) -> tuple[int, int]:
    row, col = np.argwhere(mask)[0].tolist()
    return row, col


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("size", [5, 15, 39])
def test_a_perfect_maze_is_a_tree_over_all_rooms(algorithm: str, size: int) -> None:
    is_open = carve(size, 0.0, np.random.default_rng(size), algorithm)
    assert is_open[1::2, 1::2].all()
    assert not is_open[[0, -1]].any()
    assert not is_open[:, [0, -1]].any()
    assert not is_open[::2, ::2].any()
    assert nx.is_tree(graph_of(is_open))


@pytest.mark.parametrize("size", [15, 25])
def test_a_loopy_maze_opens_fifteen_percent_of_the_inner_walls(size: int) -> None:
    rooms = size // 2
    inner = 2 * rooms * (rooms - 1) - (rooms**2 - 1)
    for is_open in make_mazes(6, size, "loopy", seed=3, split="test").open:
        graph = graph_of(is_open)
        assert nx.is_connected(graph)
        assert graph.number_of_edges() - graph.number_of_nodes() + 1 == round(0.15 * inner)


@pytest.mark.parametrize("kind", KINDS)
def test_labels_are_the_union_of_all_shortest_paths(kind: str) -> None:
    mazes = make_mazes(12, 15, kind, seed=1, split="test")
    for k in range(len(mazes)):
        graph, start, goal = graph_of(mazes.open[k]), end_of(mazes.start[k]), end_of(mazes.goal[k])
        paths = list(nx.all_shortest_paths(graph, start, goal))
        assert {cell for path in paths for cell in path} == {tuple(c) for c in np.argwhere(mazes.label[k]).tolist()}
        assert path_length(mazes)[k] == len(paths[0]) - 1
        assert start != goal


def test_distances_are_those_of_a_breadth_first_search() -> None:
    mazes = make_mazes(3, 25, "loopy", seed=2, split="test")
    found = distances(mazes.open, mazes.start)
    for k in range(len(mazes)):
        expected = nx.single_source_shortest_path_length(graph_of(mazes.open[k]), end_of(mazes.start[k]))
        assert all(found[k][cell] == steps for cell, steps in expected.items())
        assert (found[k] == -1).sum() == (~mazes.open[k]).sum()


def test_equal_arguments_give_equal_mazes_and_nothing_else_does() -> None:
    def walls(seed: int, split: str) -> list[bytes]:
        return [is_open.tobytes() for is_open in make_mazes(60, 15, "perfect", seed=seed, split=split).open]

    assert walls(0, "train") == walls(0, "train")
    sets = [set(walls(seed, split)) for seed in (0, 1) for split in ("train", "validation", "test")]
    assert len(set.union(*sets)) == sum(map(len, sets)) == 6 * 60


def test_every_other_goal_is_the_farthest_room() -> None:
    mazes = make_mazes(10, 15, "perfect", seed=0, split="test")
    reach = distances(mazes.open, mazes.start)[:, 1::2, 1::2].max(axis=(1, 2))
    assert (path_length(mazes)[1::2] == reach[1::2]).all()
    assert (path_length(mazes)[0::2] < reach[0::2]).any()


def test_join_and_index() -> None:
    one, two = (make_mazes(2, 15, kind, seed=0, split="train") for kind in ("perfect", "loopy"))
    both = join([one, two])
    assert len(both) == 4
    assert isinstance(both[1:3], MazeBatch)
    assert (both[2:].label == two.label).all()


@pytest.mark.parametrize(
    "arguments",
    [{"size": 14}, {"size": 3}, {"kind": "square"}, {"split": "other"}, {"algorithm": "prim"}],
    ids=lambda a: "-".join(map(str, *a.items())),
)
def test_what_cannot_be_made_is_refused(arguments: dict[str, object]) -> None:
    wanted = {"count": 1, "size": 15, "kind": "perfect", "seed": 0, "split": "test", **arguments}
    with pytest.raises(ValueError, match=r"unknown|odd size"):
        make_mazes(**wanted)


def test_ends_are_rooms() -> None:
    mazes = place_ends(make_mazes(20, 15, "varied", seed=4, split="train").open, np.random.default_rng(0))
    for ends in (mazes.start, mazes.goal):
        assert (ends.sum(axis=(1, 2)) == 1).all()
        assert (ends[:, 1::2, 1::2].sum(axis=(1, 2)) == 1).all()
    assert not (mazes.start & mazes.goal).any()
