"""Solve many Sudokus at once: one bit of a machine word is one puzzle.

Candidates of B puzzles are an array (9 digits, 9 rows, 9 columns, ceil(B / 64)) of uint64: bit b of word w says whether
puzzle 64 w + b may still hold that digit in that cell. A logical operation on the array is that operation on 64 puzzles
a word, so that naked and hidden singles, which are counts up to two, need no loop over puzzles and no search tree in
Python. What singles leave open is split at the cell with the fewest candidates.
"""

from __future__ import annotations

import numpy as np

CELLS, DIGITS = 81, 9
FULL = np.uint64(0xFFFFFFFFFFFFFFFF)
VIEWS = ("cell", "row", "column", "box")


def pack(cube: np.ndarray) -> np.ndarray:
    """(B, 9 digits, 9, 9) bool -> (9, 9, 9, words) uint64. Bits beyond B are one: a puzzle without givens."""
    batch = len(cube)
    words = -(-batch // 64)
    padded = np.ones((9, 9, 9, 64 * words), dtype=bool)
    padded[..., :batch] = np.moveaxis(cube, 0, -1)
    return np.packbits(padded, axis=-1, bitorder="little").view(np.uint64)


def unpack(bits: np.ndarray, batch: int) -> np.ndarray:
    """The inverse of ``pack`` over the last axis: (..., words) -> (batch, ...) bool."""
    flat = np.unpackbits(np.ascontiguousarray(bits).view(np.uint8), axis=-1, count=batch, bitorder="little")
    return np.moveaxis(flat, -1, 0).astype(bool)


def cube_of(puzzles: np.ndarray) -> np.ndarray:
    """Candidates of puzzles (B, 81) with 0 for a blank: (B, 9 digits, 9, 9) bool; nothing is eliminated yet."""
    digits = np.arange(1, 10)[:, None]
    cube = (puzzles[:, None] == digits) | (puzzles[:, None] == 0)
    result: np.ndarray = cube.reshape(-1, 9, 9, 9)
    return result


def lines(cube: np.ndarray, view: str) -> np.ndarray:
    """The nine alternatives of every constraint along axis 0: which digit of a cell, which cell of a row, ...

    cube (9 digits, 9 rows, 9 columns, words) -> (9 alternatives, 9, 9, words), a view where numpy allows one.
    """
    if view == "cell":
        return cube
    if view == "row":
        return np.moveaxis(cube, 2, 0)
    if view == "column":
        return np.moveaxis(cube, 1, 0)
    boxed = cube.reshape(9, 3, 3, 3, 3, -1)  # digit, band, row, stack, column
    result: np.ndarray = boxed.transpose(2, 4, 0, 1, 3, 5).reshape(9, 9, 9, -1)
    return result


def unlines(values: np.ndarray, view: str) -> np.ndarray:
    """The inverse of ``lines``; axis 0 of length one is one value for all alternatives."""
    if view == "cell":
        return values
    if view == "row":
        return np.moveaxis(values, 0, 2)
    if view == "column":
        return np.moveaxis(values, 0, 1)
    if len(values) == 1:
        values = np.broadcast_to(values, (9, *values.shape[1:]))
    result: np.ndarray = values.reshape(3, 3, 9, 3, 3, -1).transpose(2, 3, 0, 4, 1, 5).reshape(9, 9, 9, -1)
    return result


def at_least(alternatives: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where at least one and where at least two of the alternatives (axis 0) are set."""
    one = alternatives[0].copy()
    two = np.zeros_like(one)
    for other in alternatives[1:]:
        two |= one & other
        one |= other
    return one, two


def everywhere(bits: np.ndarray) -> np.ndarray:
    """AND over all axes but the words, (..., words) -> (words,)."""
    result: np.ndarray = np.bitwise_and.reduce(bits, axis=tuple(range(bits.ndim - 1)))
    return result


def anywhere(bits: np.ndarray) -> np.ndarray:
    """OR over all axes but the words, (..., words) -> (words,)."""
    result: np.ndarray = np.bitwise_or.reduce(bits, axis=tuple(range(bits.ndim - 1)))
    return result


def sweep(cube: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Place every naked and hidden single of (9, 9, 9, words) and eliminate what they exclude.

    Returns the new candidates and the words of bits of puzzles without contradiction so far.
    """
    single = np.zeros_like(cube)
    possible = np.full(cube.shape[-1], FULL)
    for view in VIEWS:
        seen = lines(cube, view)
        one, two = at_least(seen)
        possible &= everywhere(one)
        single |= unlines((one & ~two)[None], view)
    single &= cube
    reached = np.zeros_like(cube)
    for view in VIEWS:
        one, two = at_least(lines(single, view))
        possible &= ~anywhere(two)
        reached |= unlines(one[None], view)
    return cube & (~reached | single), possible


def propagate(cube: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sweep until nothing changes: candidates, words of puzzles without contradiction, words of solved puzzles."""
    possible = np.full(cube.shape[-1], FULL)
    while True:
        after, fine = sweep(cube)
        possible &= fine
        # A puzzle that is contradictory stops changing the batch.
        after = np.where(possible == 0, cube, after)
        if (after == cube).all():
            break
        cube = after
    _, two = at_least(cube)
    return cube, possible, possible & everywhere(~two)


def _split(cube: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Branch at the first cell with the fewest candidates above one: cubes (B', 9, 9, 9), and the parent of each."""
    flat = cube.reshape(len(cube), 9, 81)
    counts = flat.sum(axis=1)
    cell = np.where(counts > 1, counts, 10).argmin(axis=1)
    parent, digit = np.nonzero(flat[np.arange(len(flat)), :, cell])
    children = flat[parent]
    children[np.arange(len(parent)), :, cell[parent]] = False
    children[np.arange(len(parent)), digit, cell[parent]] = True
    return children.reshape(-1, 9, 9, 9), parent


def count_solutions(cube: np.ndarray, most: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """How many solutions every puzzle has, counted up to ``most``, and one of them.

    cube (B, 9, 9, 9) bool -> counts (B,) int, solutions (B, 81) uint8 (zero where there is none).
    """
    count = np.zeros(len(cube), dtype=int)
    solution = np.zeros((len(cube), CELLS), dtype=np.uint8)
    together = max(len(cube), 64)
    waiting, owners = cube, np.arange(len(cube))
    while len(waiting):
        # the newest first, so that what waits stays little: a search in depth, many branches at a time
        cube, owner = waiting[-together:], owners[-together:]
        waiting, owners = waiting[:-together], owners[:-together]
        needed = count[owner] < most
        cube, owner = cube[needed], owner[needed]
        bits, possible, solved = propagate(pack(cube))
        batch = len(cube)
        is_solved, is_open = unpack(solved, batch), unpack(possible & ~solved, batch)
        cube = unpack(bits, batch)
        found = owner[is_solved]
        solution[found] = cube[is_solved].reshape(-1, 9, 81).argmax(axis=1) + 1
        np.add.at(count, found, 1)
        cube, parent = _split(cube[is_open])
        waiting, owners = np.concatenate([waiting, cube]), np.concatenate([owners, owner[is_open][parent]])
    return np.minimum(count, most), solution
