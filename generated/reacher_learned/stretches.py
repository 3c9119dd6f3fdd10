# Part of every package that metrigen 0.1.0 emits. Do not edit.
"""Many steps as stretches of fewer: states on the way, and an adjoint that keeps few of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any
from weakref import ref

import torch
from torch import Tensor

from .base import Tensors

Evolve = Callable[..., Any]
SAVED = 128  # steps up to which an adjoint keeps what it needs of each; beyond, as many states as a root of them


def segment(fixed: Tensors, driven: Sequence[int], first: int, count: int) -> Tensors:
    """What ``count`` steps from step ``first`` on read; ``driven``: places of what has a value for every step."""
    return tuple(x[first : first + count] if i in driven else x for i, x in enumerate(fixed))


def rolled(
    evolve: Evolve, state: Tensors, fixed: Tensors, steps: int, every: int, driven: Sequence[int] = ()
) -> Tensors:
    """The states after steps every, 2 every, ..., (n, B, C, ...) each; ``evolve(state, fixed, count)`` takes steps."""
    found = []
    for first in range(0, steps, every):
        state = evolve(state, segment(fixed, driven, first, every), every)
        found.append(state)
    return tuple(map(torch.stack, zip(*found))) if found else tuple(x.unsqueeze(0)[:0].clone() for x in state)


def rolled_adjoint(
    evolve_adjoint: Evolve, grads: Sequence[Tensor | None], kept: Tensors, state: Tensors, fixed: Tensors, steps: int,
    every: int, driven: Sequence[int] = (),
) -> Tensors:  # fmt: skip
    """Cotangents of the first state and of ``fixed`` from those of the states that were ``kept`` (n, B, C, ...): every
    stretch is taken again from the state before it, so that no more is in memory than a stretch."""
    flowed = tuple(torch.zeros_like(x) for x in state)
    totals = [x.new_zeros(x.shape) for x in fixed]  # dense, whatever the frames are
    for i in reversed(range(steps // every)):
        at = tuple(x[i - 1] for x in kept) if i else state
        ends = tuple(f if g is None else f + g[i] for f, g in zip(flowed, grads))
        found = evolve_adjoint(ends, at, segment(fixed, driven, i * every, every), every)
        flowed = tuple(found[: len(state)])
        for place, x in enumerate(found[len(state) :]):
            if place in driven:
                totals[place][i * every : (i + 1) * every] = x
            else:
                totals[place] = totals[place] + x
    return (*flowed, *totals)


def long_adjoint(
    evolve: Evolve, evolve_adjoint: Evolve, cotangents: Tensors, state: Tensors, fixed: Tensors, steps: int,
    driven: Sequence[int] = (),
) -> Tensors:  # fmt: skip
    """Cotangents of many steps: the states at the ends of stretches are taken once more, then the stretches backwards.
    As many states are in memory as a root of the steps, twice."""
    if steps <= SAVED:
        return tuple(evolve_adjoint(cotangents, state, fixed, steps))
    every = math.isqrt(steps - 1) + 1
    whole = (steps - 1) // every * every
    kept = rolled(evolve, state, fixed, whole, every, driven)
    last = evolve_adjoint(
        cotangents, tuple(x[-1] for x in kept), segment(fixed, driven, whole, steps - whole), steps - whole
    )
    ends = tuple(last[: len(state)])
    grads = tuple(map(torch.zeros_like, kept))
    for g, x in zip(grads, ends):
        g[-1] = x
    early = rolled_adjoint(evolve_adjoint, grads, kept, state, segment(fixed, driven, 0, whole), whole, every, driven)
    pairs = enumerate(zip(early[len(state) :], last[len(state) :]))
    return (*early[: len(state)], *(torch.cat((a, b)) if i in driven else a + b for i, (a, b) in pairs))


class _Saved:
    """A tensor that autograd saved on the tape of a stretch; none while nobody needs it."""

    __slots__ = ("__weakref__", "x")

    def __init__(self, x: Tensor) -> None:
        self.x: Tensor | None = x


def taken_again(evolve: Evolve, state: Tensors, fixed: Tensors, count: int) -> Tensors:
    """``evolve(state, fixed, count)``, of which autograd keeps what it was given alone: the adjoint takes the steps
    once more and finds what was saved, in the order in which it was.

    As ``torch.utils.checkpoint`` without reentry, but that what is saved stays at hand until the last step is taken: a
    step in which a module is differentiated by autograd reads it at once, and would have the whole stretch taken again
    for every one of them."""
    saved: list[ref[_Saved]] = []

    def pack(x: Tensor) -> _Saved:
        holder = _Saved(x.detach())
        saved.append(ref(holder))
        return holder

    def unpack(holder: _Saved) -> Tensor:
        if holder.x is None:
            _again(evolve, (state, fixed, count), saved)
        assert holder.x is not None, "the steps were not the same once more"
        return holder.x

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        end: Tensors = evolve(state, fixed, count)
    for known in saved:
        holder = known()
        if holder is not None:
            holder.x = None
    return end


def _again(evolve: Evolve, given: tuple[Tensors, Tensors, int], saved: Sequence[ref[_Saved]]) -> None:
    """Take the steps once more and hand what autograd saves to those who wait for it."""
    waiting = iter(saved)

    def pack(x: Tensor) -> Tensor:
        holder = next(waiting)()
        if holder is not None:
            holder.x = x.detach()
        return x.detach()

    with torch.enable_grad(), torch.autocast(given[0][0].device.type, enabled=False):
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
            evolve(*given)


def rolled_readout(
    evolve_readout: Evolve, state: Tensors, fixed: Tensors, others: Tensors, steps: int, every: int,
    driven: Sequence[int] = (),
) -> Tensors:  # fmt: skip
    """The readouts after steps every, 2 every, ..., (n, B, R*C, ...), and the last state: none on the way is kept."""
    found = []
    for first in range(0, steps, every):
        read, *after = evolve_readout(state, segment(fixed, driven, first, every), others, every)
        found.append(read)
        state = tuple(after)
    return (torch.stack(found), *state)


def rolled_readout_adjoint(
    evolve: Evolve, adjoint: Evolve, grads: Sequence[Tensor], cotangents: Tensors, state: Tensors, fixed: Tensors,
    others: Tensors, every: int, driven: Sequence[int] = (),
) -> Tensors:  # fmt: skip
    """Cotangents of the first state, of ``fixed`` and of what else the readout reads, from those of the readouts and of
    the last state; ``adjoint`` is that of one stretch and its readout. The states between stretches are taken anew."""
    whole, n = every * (len(grads) - 1), len(state)
    kept = rolled(evolve, state, segment(fixed, driven, 0, whole), whole, every, driven)
    totals: list[Any] = [list[Tensor]() if i in driven else 0 for i in range(len(fixed))]
    for i in reversed(range(len(grads))):
        at = tuple(x[i - 1] for x in kept) if i else state
        found = adjoint(grads[i], cotangents, at, segment(fixed, driven, i * every, every), others, every)
        cotangents, flowed = tuple(found[:n]), found[n:]
        totals += [0] * (len(flowed) - len(totals))
        for place, x in enumerate(flowed):
            totals[place] = [x, *totals[place]] if place in driven else totals[place] + x
    return (*cotangents, *(torch.cat(x) if isinstance(x, list) else x for x in totals))
