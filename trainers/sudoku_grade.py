"""How hard a Sudoku is, by the techniques that solve it, for many puzzles at once (the words of ``sudoku_solve``).

    easy      naked and hidden singles solve it
    medium    with locked candidates (pointing and claiming), naked pairs and hidden pairs
    hard      with naked and hidden subsets and fish of up to four, XY-wings and XYZ-wings
    hardest   not even those: unique rectangles, chains or trial and error are needed

The line before the last level is drawn where published scales begin to need chains. It is a class, not a rating: no
number of a published scale is computed. A technique is tried whenever the ones before it are exhausted.

A naked subset says: k of the nine entries of a line have k values between them, so that no other entry has those. With
cells and digits of a unit in both roles that is naked and hidden subsets; with rows and columns of one digit, fish.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from itertools import combinations

import numpy as np

from trainers.sudoku_solve import anywhere, at_least, cube_of, lines, pack, propagate, unlines, unpack

LEVELS = ("easy", "medium", "hard", "hardest")
UNITS = ("row", "column", "box")


def locked(cube: np.ndarray) -> np.ndarray:
    """Locked candidates: where a box and a line meet, a digit bound to three cells by one leaves the rest of the other.

    cube (9, 9, 9, words) -> the same with fewer candidates.
    """
    for flip in (False, True):
        seen = cube.swapaxes(1, 2) if flip else cube
        # digit, band, row, stack, column -> is the digit possible in the three cells of a row and a box
        cells = seen.reshape(9, 3, 3, 3, 3, -1)
        three = np.bitwise_or.reduce(cells, axis=4)  # digit, band, row, stack
        in_row = [three[:, :, :, (k + 1) % 3] | three[:, :, :, (k + 2) % 3] for k in range(3)]
        in_box = [three[:, :, (k + 1) % 3] | three[:, :, (k + 2) % 3] for k in range(3)]
        claims = three & ~np.stack(in_row, axis=3)  # the row needs this box
        points = three & ~np.stack(in_box, axis=2)  # the box needs this row
        others_claim = np.stack([claims[:, :, (k + 1) % 3] | claims[:, :, (k + 2) % 3] for k in range(3)], axis=2)
        others_point = np.stack([points[:, :, :, (k + 1) % 3] | points[:, :, :, (k + 2) % 3] for k in range(3)], axis=3)
        after = (cells & ~(others_claim | others_point)[:, :, :, :, None]).reshape(seen.shape)
        cube = np.ascontiguousarray(after.swapaxes(1, 2) if flip else after)
    return cube


def naked(entries: np.ndarray, sizes: tuple[int, ...]) -> np.ndarray:
    """Naked subsets of the given sizes: (9 values, 9 entries, ..., words) -> the same with fewer values."""
    excluded = np.zeros_like(entries)
    for size in sizes:
        for chosen in combinations(range(9), size):
            union = np.bitwise_or.reduce(entries[:, list(chosen)], axis=1)  # (9 values, ..., words)
            beyond = _more_than(union, size)
            hit = union & ~beyond
            for other in range(9):
                if other not in chosen:
                    excluded[:, other] |= hit
    result: np.ndarray = entries & ~excluded
    return result


def _more_than(values: np.ndarray, most: int) -> np.ndarray:
    """Where more than ``most`` of the bits along axis 0 are set."""
    counts = [np.zeros_like(values[0]) for _ in range(most + 1)]  # counts[k]: more than k so far
    for value in values:
        for k in range(most, 0, -1):
            counts[k] |= counts[k - 1] & value
        counts[0] |= value
    result: np.ndarray = counts[most]
    return result


def subsets(cube: np.ndarray, sizes: tuple[int, ...], *, fish: bool) -> np.ndarray:
    """Naked and hidden subsets of all units and, with ``fish``, of the rows and columns of a digit."""
    for view in UNITS:
        # axis 0: the cell of the unit; the digit and the unit follow, in an order that the view knows
        seen = lines(cube, view)
        digits = np.moveaxis(seen, 1, 0)  # (digit, cell, unit, words)
        cells = naked(digits, sizes).swapaxes(0, 1)
        cube = np.ascontiguousarray(unlines(naked(cells, sizes), view))
    if fish:
        rows = cube.transpose(1, 2, 0, 3)  # (row, column, digit, words)
        columns = naked(rows, sizes).swapaxes(0, 1)
        cube = np.ascontiguousarray(naked(columns, sizes).transpose(2, 1, 0, 3))
    return cube


def _peers(cell: int) -> frozenset[int]:
    """The twenty cells that share a row, a column or a box with one."""

    def units(k: int) -> tuple[int, int, int]:
        return k // 9, k % 9, k // 27 * 3 + k % 9 // 3

    return frozenset(k for k in range(81) if k != cell and any(map(operator.eq, units(k), units(cell))))


PEERS = tuple(_peers(cell) for cell in range(81))


def wings(candidates: np.ndarray) -> np.ndarray:
    """XY- and XYZ-wings of one puzzle: (9 digits, 81) bool -> the same with fewer candidates.

    A pivot with the candidates x, y or x, y, z sees a cell with x, z and one with y, z: one of the three is z, so that
    no cell that sees all of them (the pivot only where it may be z) is.
    """
    masks = (candidates * (1 << np.arange(9))[:, None]).sum(axis=0).tolist()
    pairs = [cell for cell, mask in enumerate(masks) if mask.bit_count() == 2]
    after = candidates.copy()
    for pivot, mask in enumerate(masks):
        if mask.bit_count() not in (2, 3):
            continue
        near = [cell for cell in pairs if cell in PEERS[pivot]]
        for one, two in combinations(near, 2):
            shared, together = masks[one] & masks[two], masks[one] | masks[two]
            if shared.bit_count() == 1 and mask == together & ~(shared if mask.bit_count() == 2 else 0):
                seen = PEERS[one] & PEERS[two] & (PEERS[pivot] if mask.bit_count() == 3 else PEERS[one])
                after[shared.bit_length() - 1, sorted(seen)] = False
    result: np.ndarray = after
    return result


def _all_wings(cube: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """``wings`` of the puzzles whose bit is set in ``wanted`` (words,)."""
    batch = 64 * cube.shape[-1]
    bools = unpack(cube, batch)
    for k in np.flatnonzero(unpack(wanted, batch)):
        bools[k] = wings(bools[k].reshape(9, 81)).reshape(9, 9, 9)
    return pack(bools)


TECHNIQUES: tuple[tuple[str, tuple[Callable[[np.ndarray], np.ndarray], ...]], ...] = (
    ("easy", ()),
    ("medium", (locked, lambda cube: subsets(cube, (2,), fish=False))),
    ("hard", (lambda cube: subsets(cube, (2, 3, 4), fish=True),)),
)


def grade(puzzles: np.ndarray) -> np.ndarray:
    """The index in ``LEVELS`` of every puzzle (B, 81) with one solution: (B,) uint8."""
    level = np.full(len(puzzles), len(LEVELS) - 1, dtype=np.uint8)
    left, cube = np.arange(len(puzzles)), cube_of(puzzles)
    allowed: tuple[Callable[[np.ndarray], np.ndarray], ...] = ()
    for number, (name, more) in enumerate(TECHNIQUES):
        allowed += more
        bits = _exhaust(pack(cube), allowed, with_wings=name == "hard")
        _, two = at_least(bits)
        solved = unpack(~anywhere(two), len(left))
        level[left[solved]] = number
        left, cube = left[~solved], unpack(bits, len(left))[~solved]
        if len(left) == 0:
            break
    return level


def _exhaust(
    cube: np.ndarray, techniques: tuple[Callable[[np.ndarray], np.ndarray], ...], *, with_wings: bool
) -> np.ndarray:
    """Apply singles, then each technique in turn, from the start again after whatever helped."""
    while True:
        before, _, _ = propagate(cube)
        cube = before
        for technique in techniques:
            cube = technique(cube)
            if (cube != before).any():
                break
        else:
            if with_wings:
                _, two = at_least(cube)
                cube = _all_wings(cube, anywhere(two))
            if (cube == before).all():
                return cube
