"""Sudokus with one solution each: grids, puzzles dug out of them, and a cached collection of them.

A grid is filled by random candidates with singles after each, and thrown away when that ends in a contradiction. A
puzzle is dug out of a grid: cells in random order lose their given when no solution has another digit there, which
proves by induction that the solution stays the only one; digging ends at a target number of givens, or when nothing
more can go.

Train and test do not meet: an ``invariant`` of a grid under relabelled digits, exchanged bands, stacks, rows within a
band, columns within a stack, and reflection decides, by a hash, which of the two may use it. So no puzzle of one is an
image of a puzzle of the other under any of those symmetries.
"""

from __future__ import annotations

import multiprocessing
import os
import zlib
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from trainers.sudoku_grade import grade
from trainers.sudoku_solve import CELLS, count_solutions, cube_of, pack, propagate, unpack

SPLITS = ("train", "test")
TEST_SHARE = 16  # one class of grids in so many is for testing
CHUNK = 1024  # puzzles made together
MINIMAL = 0.7  # share of the puzzles that are dug as deep as they go
GIVENS = (24, 41)  # the range of the target of the others, the end excluded
FORMAT = 1  # of the cached file; goes up when equal arguments give other puzzles


@dataclass(frozen=True)
class Puzzles:
    """B puzzles: ``given`` and ``solution`` are (B, 81) uint8 (0 blank), ``level`` (B,) indexes ``LEVELS``."""

    given: np.ndarray
    solution: np.ndarray
    level: np.ndarray

    def __len__(self) -> int:
        return len(self.given)

    def __getitem__(self, index: slice | np.ndarray) -> Puzzles:
        return Puzzles(self.given[index], self.solution[index], self.level[index])


def join(parts: list[Puzzles]) -> Puzzles:
    """One collection of several."""
    return Puzzles(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Puzzles)))


def make_grids(count: int, rng: np.random.Generator) -> np.ndarray:
    """Random complete grids, (count, 81) uint8."""
    done = np.zeros((0, CELLS), dtype=np.uint8)
    cube = np.ones((count, 9, CELLS), dtype=bool)
    while len(done) < count:
        open_cell = cube.sum(axis=1) > 1
        cell = np.where(open_cell, rng.random(open_cell.shape), -1.0).argmax(axis=1)
        here = np.arange(len(cube))
        digit = np.where(cube[here, :, cell], rng.random((len(cube), 9)), -1.0).argmax(axis=1)
        cube[here, :, cell] = False
        cube[here, digit, cell] = True
        bits, possible, solved = propagate(pack(cube.reshape(-1, 9, 9, 9)))
        is_solved = unpack(solved, len(cube))
        is_open = unpack(possible & ~solved, len(cube))
        cube = unpack(bits, len(cube)).reshape(-1, 9, CELLS)
        done = np.concatenate([done, cube[is_solved].argmax(axis=1).astype(np.uint8) + 1])
        cube[~is_open] = True  # contradictory or finished: begin another one
    return done[:count]


def dig(grids: np.ndarray, fewest: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Remove givens of (B, 81) grids while the solution stays unique, down to ``fewest`` (B,): puzzles (B, 81)."""
    puzzles = grids.copy()
    here = np.arange(len(grids))
    for cell in rng.random(grids.shape).argsort(axis=1).T:
        wanted = np.flatnonzero((puzzles > 0).sum(axis=1) > fewest)
        trial = puzzles[wanted].copy()
        trial[here[: len(wanted)], cell[wanted]] = 0
        cube = cube_of(trial).reshape(-1, 9, CELLS)
        cube[here[: len(wanted)], grids[wanted, cell[wanted]] - 1, cell[wanted]] = False
        count, _ = count_solutions(cube.reshape(-1, 9, 9, 9), most=1)
        removed = wanted[count == 0]
        puzzles[removed, cell[removed]] = 0
    result: np.ndarray = puzzles
    return result


def invariant(grids: np.ndarray) -> np.ndarray:
    """(B,) uint64, equal for grids (B, 81) that are images of each other under the symmetries of Sudoku.

    Two rows of a band are one permutation of the digits. Its cycle type knows neither the names of the digits, nor the
    order of the two rows, nor that of the columns. Hashes of the types are added over the pairs of a band, hashes of
    these over the bands, and hashes of these over rows and columns, so that no order of them matters either.
    """
    square = grids.reshape(-1, 9, 9).astype(np.int64) - 1
    sides = []
    for side in (square, square.transpose(0, 2, 1)):
        one, two, three = (_mix(_band(side, band)) for band in range(3))
        sides.append(_mix(one + two + three))
    result: np.ndarray = sides[0] + sides[1]
    return result


def _band(square: np.ndarray, band: int) -> np.ndarray:
    """Sum over the three pairs of rows of a band of the hashed cycle type, (B,) uint64."""
    total = np.zeros(len(square), dtype=np.uint64)
    for top, low in ((0, 1), (0, 2), (1, 2)):
        below = np.empty((len(square), 9), dtype=np.int64)
        np.put_along_axis(below, square[:, 3 * band + top], square[:, 3 * band + low], axis=1)
        total += _mix(cycle_type(below))
    return total


def cycle_type(permutation: np.ndarray) -> np.ndarray:
    """Permutations (B, 9) of 0 to 8 -> (B,) uint64, a decimal number: its k-th digit counts elements in cycles of k."""
    length = np.zeros(permutation.shape, dtype=np.uint64)
    power = permutation
    for k in range(1, 10):
        length[(power == np.arange(9)) & (length == 0)] = k
        power = np.take_along_axis(permutation, power, axis=1)
    result: np.ndarray = (np.uint64(10) ** (length - np.uint64(1))).sum(axis=1)
    return result


def _mix(values: np.ndarray) -> np.ndarray:
    """A hash of uint64 values, with wrap-around: multiply and fold the high bits down, twice."""
    for factor in (0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93):
        values = values * np.uint64(factor)
        values = values ^ (values >> np.uint64(31))
    return values


def make_chunk(index: int, count: int, seed: int, split: str) -> Puzzles:
    """The ``index``-th ``count`` puzzles of a split; equal arguments give equal puzzles."""
    rng = np.random.default_rng([seed, SPLITS.index(split), index])
    grids = np.zeros((0, CELLS), dtype=np.uint8)
    while len(grids) < count:
        more = make_grids(count, rng)
        testing = invariant(more) % np.uint64(TEST_SHARE) == 0
        grids = np.concatenate([grids, more[testing == (split == "test")]])
    grids = grids[:count]
    minimal = rng.random(count) < MINIMAL
    fewest = np.where(minimal, 0, rng.integers(*GIVENS, size=count))
    given = dig(grids, fewest, rng)
    return Puzzles(given, grids, grade(given))


def make_puzzles(
    count: int,
    *,
    seed: int,
    split: str,
    processes: int = 1,
    advance: Callable[[int], None] = lambda done: None,
) -> Puzzles:
    """``count`` puzzles of a split, whatever their level. Raises ValueError for a name that is not in ``SPLITS``."""
    if split not in SPLITS:
        raise ValueError(f"unknown {split!r}; one of {', '.join(SPLITS)}")
    size = min(count, CHUNK)
    chunks = range(-(-count // size))
    work = partial(make_chunk, count=size, seed=seed, split=split)
    parts: list[Puzzles] = []
    with multiprocessing.get_context("spawn").Pool(processes) if processes > 1 else nullcontext() as pool:
        for part in map(work, chunks) if pool is None else pool.imap(work, chunks):
            parts.append(part)
            advance(min(count, size * len(parts)))
    return join(parts)[:count]


def cached_puzzles(
    folder: Path,
    count: int,
    *,
    seed: int,
    split: str,
    processes: int = 1,
    advance: Callable[[int], None] = lambda done: None,
) -> Puzzles:
    """``make_puzzles``, kept in a file of ``folder`` and read from there the next time."""
    path = folder / f"{split}-seed{seed}-format{FORMAT}-{count}.npz"
    if path.exists():
        # What is damaged (every array has a checksum) is made again.
        with suppress(BadZipFile, OSError, ValueError, KeyError, EOFError, zlib.error), np.load(path) as stored:
            return Puzzles(*(stored[f.name] for f in fields(Puzzles)))
    puzzles = make_puzzles(count, seed=seed, split=split, processes=processes, advance=advance)
    folder.mkdir(parents=True, exist_ok=True)
    partial_path = path.with_suffix(f".{os.getpid()}.partial")
    with partial_path.open("wb") as file:
        np.savez_compressed(file, **vars(puzzles))
        file.flush()
        os.fsync(file.fileno())
    partial_path.replace(path)
    return puzzles
