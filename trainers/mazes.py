"""Mazes on an n x n grid of cells (n odd), perfect or loopy, with their shortest paths.

Rooms sit at odd coordinates, a wall is a cell of its own: rooms (i, j) and (i, j + 1) are joined when the cell between
them is open. A *perfect* maze is a spanning tree of the lattice of rooms, so there is one route between any two
cells. A *loopy* maze opens 15 % of the inner walls that are left, so that there are several; *varied* mazes, for
training, open anything between none and 80 %.

Spanning trees come from three algorithms with very different corridors, one drawn per maze:

    "weights"   minimum spanning tree of random weights (Kruskal): many short dead ends
    "wilson"    loop-erased random walks: uniform over all spanning trees
    "dfs"       depth-first search in a random order: long winding corridors

The label of a cell is 1 when it lies on *a* shortest path, d(start, n) + d(n, goal) = d(start, goal): on a perfect maze
that is the one path, on a loopy maze the union of all tied ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import networkx as nx
import numpy as np

ALGORITHMS = ("weights", "wilson", "dfs")
KINDS = {"perfect": (0.0, 0.0), "loopy": (0.15, 0.15), "varied": (0.0, 0.8)}  # range of the fraction of walls opened
SPLITS = ("train", "validation", "test")
Room = tuple[int, int]


@dataclass(frozen=True)
class MazeBatch:
    """B mazes of one size; every array is (B, n, n).

    open    bool, True where one can walk
    start   bool, one True per maze        goal    bool, one True per maze
    label   bool, True on the cells of a shortest path from start to goal (both ends included)
    """

    open: np.ndarray
    start: np.ndarray
    goal: np.ndarray
    label: np.ndarray

    def __len__(self) -> int:
        return len(self.open)

    def __getitem__(self, index: slice | np.ndarray) -> MazeBatch:
        return MazeBatch(self.open[index], self.start[index], self.goal[index], self.label[index])


@lru_cache(maxsize=8)
def room_lattice(rooms: int) -> nx.Graph:
    """The rooms x rooms lattice every spanning tree is taken from."""
    return nx.grid_2d_graph(rooms, rooms)


@lru_cache(maxsize=8)
def _neighbours(rooms: int) -> dict[Room, list[Room]]:
    return {room: list(near) for room, near in room_lattice(rooms).adjacency()}


def spanning_tree(rooms: int, algorithm: str, rng: np.random.Generator) -> list[tuple[Room, Room]]:
    """The edges of a random spanning tree of the room lattice.

    Raises ValueError for an algorithm that is not in ``ALGORITHMS``.
    """
    lattice, near = room_lattice(rooms), _neighbours(rooms)
    if algorithm == "weights":
        weighted = nx.Graph()
        weighted.add_weighted_edges_from(
            (a, b, w) for (a, b), w in zip(lattice.edges, rng.random(lattice.number_of_edges()), strict=True)
        )
        return list(nx.minimum_spanning_edges(weighted, data=False))
    first = (int(rng.integers(rooms)), int(rng.integers(rooms)))
    if algorithm == "dfs":
        return list(nx.dfs_edges(lattice, first, sort_neighbors=lambda ns: _shuffled(list(ns), rng)))
    if algorithm == "wilson":
        return _wilson(near, first, rng)
    raise ValueError(f"unknown algorithm {algorithm!r}; one of {', '.join(ALGORITHMS)}")


def _shuffled(items: list[Room], rng: np.random.Generator) -> list[Room]:
    keys = rng.random(len(items))
    return [items[k] for k in np.argsort(keys)]


def _wilson(near: dict[Room, list[Room]], root: Room, rng: np.random.Generator) -> list[tuple[Room, Room]]:
    """Wilson: walk from each room until the tree is met; keep the last exit of every room (loop erasure)."""
    in_tree, edges = {root}, []
    draws: Iterator[float] = iter(())
    for room in near:
        here = room
        exit_of: dict[tuple[int, int], tuple[int, int]] = {}
        while here not in in_tree:
            draw = next(draws, None)
            if draw is None:
                draws = iter(rng.random(4096).tolist())
                draw = next(draws)
            exit_of[here] = near[here][int(draw * len(near[here]))]
            here = exit_of[here]
        here = room
        while here not in in_tree:
            in_tree.add(here)
            edges.append((here, exit_of[here]))
            here = exit_of[here]
    return edges


def carve(size: int, opened: float, rng: np.random.Generator, algorithm: str | None = None) -> np.ndarray:
    """One maze as a (size, size) bool array, True where walkable.

    opened     fraction of the inner walls left by the spanning tree that is opened
    algorithm  drawn when not given
    """
    if size < 5 or size % 2 == 0:
        raise ValueError(f"a maze needs an odd size of at least 5, got {size}")
    rooms = size // 2
    algorithm = algorithm or ALGORITHMS[int(rng.integers(len(ALGORITHMS)))]
    edges = np.array(spanning_tree(rooms, algorithm, rng))  # (rooms^2 - 1, 2 ends, 2 coordinates)
    is_open = np.zeros((size, size), dtype=bool)
    is_open[1::2, 1::2] = True
    between = edges.sum(axis=1) + 1  # the cell between rooms a and b, each at 2 * room + 1
    is_open[between[:, 0], between[:, 1]] = True
    row, col = np.nonzero(~is_open[1:-1, 1:-1])
    inner = np.flatnonzero((row + col) % 2 == 1)  # a wall between two rooms, not a pillar
    chosen = rng.choice(inner, size=round(opened * len(inner)), replace=False)
    is_open[row[chosen] + 1, col[chosen] + 1] = True
    return is_open


def distances(is_open: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Breadth-first steps from ``source``, (B, n, n) bool both -> (B, n, n) int, -1 where it does not reach.

    All mazes advance together, one front of cells a sweep. Mazes have a closed border, so that rolling is safe.
    """
    reached = np.full(is_open.shape, -1, dtype=np.int32)
    front, step = source & is_open, 0
    free = is_open.copy()
    while front.any():
        reached[front] = step
        free &= ~front
        grown = np.zeros_like(front)
        grown[:, 1:] |= front[:, :-1]
        grown[:, :-1] |= front[:, 1:]
        grown[:, :, 1:] |= front[:, :, :-1]
        grown[:, :, :-1] |= front[:, :, 1:]
        front = grown & free
        step += 1
    return reached


def shortest_path_cells(is_open: np.ndarray, start: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """The cells of all shortest paths, (B, n, n) bool."""
    from_start, from_goal = distances(is_open, start), distances(is_open, goal)
    length = np.where(goal, from_start, 0).sum(axis=(1, 2), keepdims=True)
    result: np.ndarray = (from_start >= 0) & (from_start + from_goal == length)
    return result


def path_length(mazes: MazeBatch) -> np.ndarray:
    """Steps from start to goal on a shortest path, (B,) int."""
    result: np.ndarray = np.where(mazes.goal, distances(mazes.open, mazes.start), 0).sum(axis=(1, 2))
    return result


def place_ends(is_open: np.ndarray, rng: np.random.Generator) -> MazeBatch:
    """Give (B, n, n) mazes a start and a goal room: a random pair and, for every other maze, the farthest room."""
    batch, rooms = len(is_open), is_open.shape[1] // 2
    start, goal = np.zeros_like(is_open), np.zeros_like(is_open)
    index, (row, col) = np.arange(batch), 2 * rng.integers(rooms, size=(2, batch)) + 1
    start[index, row, col] = True
    reach = distances(is_open, start)[:, 1::2, 1::2].reshape(batch, -1)
    step = rng.integers(1, rooms * rooms, size=batch)  # never zero: the goal is another room
    other = ((row // 2) * rooms + col // 2 + step) % (rooms * rooms)
    other = np.where(np.arange(batch) % 2 == 0, other, reach.argmax(axis=1))
    goal[index, 2 * (other // rooms) + 1, 2 * (other % rooms) + 1] = True
    return MazeBatch(is_open, start, goal, shortest_path_cells(is_open, start, goal))


def make_mazes(count: int, size: int, kind: str, *, seed: int, split: str, algorithm: str | None = None) -> MazeBatch:
    """``count`` labelled mazes; equal arguments give equal mazes.

    Every split, kind and size draws from a stream of its own, so that no training maze is seen in a test. Raises
    ValueError for a name that is not in ``KINDS``, ``SPLITS`` or ``ALGORITHMS``.
    """
    for name, known in ((kind, KINDS), (split, SPLITS), (algorithm or ALGORITHMS[0], ALGORITHMS)):
        if name not in known:
            raise ValueError(f"unknown {name!r}; one of {', '.join(known)}")
    rng = np.random.default_rng([seed, SPLITS.index(split), list(KINDS).index(kind), size])
    walls = np.stack([carve(size, rng.uniform(*KINDS[kind]), rng, algorithm) for _ in range(count)])
    return place_ends(walls, rng)


def join(batches: Sequence[MazeBatch]) -> MazeBatch:
    """One batch of several of the same size."""
    return MazeBatch(*(np.concatenate([getattr(b, name) for b in batches]) for name in MazeBatch.__dataclass_fields__))
