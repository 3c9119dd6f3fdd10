"""Tasks that ask what a model of sequences can look up: each batch drawn anew, symbols as bytes.

    recall      key value key value ...; then every key again, in another order: what was its value?
    induction   noise with one marked place, in which a symbol follows the mark; the mark again: what followed?
    copy        symbols, a stop, the symbols again

A batch is what is read (B, T) and what is asked (B, T), the byte after each place, NOTHING where it is not scored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

NOTHING = -100  # what ``cross_entropy`` leaves out
KEYS, VALUES, NOISE = 64, 64, 32  # how many there are of each; noise and copies are drawn from NOISE
MARK = STOP = 255

Batch = tuple[Tensor, Tensor]


def recall(rng: np.random.Generator, batch: int, pairs: int) -> Batch:
    """``pairs`` keys with a value each, then the keys with their values again; the values are asked, T = 4 pairs."""
    keys = rng.permuted(np.tile(np.arange(KEYS), (batch, 1)), axis=1)[:, :pairs]
    values = KEYS + rng.integers(VALUES, size=(batch, pairs))
    order = rng.permuted(np.tile(np.arange(pairs), (batch, 1)), axis=1)
    again = (np.take_along_axis(part, order, axis=1) for part in (keys, values))
    text = np.concatenate((_paired(keys, values), _paired(*again)), axis=1)
    asked = np.full_like(text, NOTHING)
    asked[:, 2 * pairs :: 2] = text[:, 2 * pairs + 1 :: 2]
    return torch.from_numpy(text), torch.from_numpy(asked)


def _paired(keys: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.stack((keys, values), axis=2).reshape(len(keys), -1)


def induction(rng: np.random.Generator, batch: int, length: int) -> Batch:
    """``length`` symbols of noise with one mark among them, and the mark at the end; T = length + 1."""
    text = rng.integers(NOISE, size=(batch, length + 1))
    rows, places = np.arange(batch), rng.integers(length - 1, size=batch)
    text[rows, places] = text[:, -1] = MARK
    asked = np.full_like(text, NOTHING)
    asked[:, -1] = text[rows, places + 1]
    return torch.from_numpy(text), torch.from_numpy(asked)


def copy(rng: np.random.Generator, batch: int, length: int) -> Batch:
    """``length`` symbols, a stop and the symbols again but the last, which is only asked; T = 2 length."""
    first = rng.integers(NOISE, size=(batch, length))
    stop = np.full((batch, 1), STOP)
    text = np.concatenate((first, stop, first[:, :-1]), axis=1)
    asked = np.full_like(text, NOTHING)
    asked[:, length:] = first
    return torch.from_numpy(text), torch.from_numpy(asked)


@dataclass(frozen=True)
class Task:
    """draw      a generator, a batch and a size -> what is read and asked
    trained   sizes of the training, in turns
    tested    sizes of the test; those beyond the training ask for more than was learned
    guess     chance to be right of one who knows the symbols and nothing else
    """

    draw: Callable[[np.random.Generator, int, int], Batch]
    trained: tuple[int, ...]
    tested: tuple[int, ...]
    guess: float


TASKS = {
    "recall": Task(recall, (4, 8, 16), (8, 16, 32), 1 / VALUES),
    "induction": Task(induction, (32, 64), (64, 256, 1024), 1 / NOISE),
    "copy": Task(copy, (8, 16, 32), (32, 48), 1 / NOISE),
}


def batch_of(task: str, seed: int, step: int, batch: int) -> Batch:
    """The batch of a training step: of its arguments alone, so that a resumed run reads what it would have read."""
    chosen = TASKS[task]
    rng = np.random.default_rng([seed, list(TASKS).index(task), step])
    return chosen.draw(rng, batch, chosen.trained[step % len(chosen.trained)])
