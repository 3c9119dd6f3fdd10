"""Networks of equal size: how many numbers one learns, and the width at which another learns as many."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn


def parameters(model: nn.Module) -> int:
    """How many numbers the model learns."""
    return sum(p.numel() for p in model.parameters())


def matched(build: Callable[[int], nn.Module], target: int) -> int:
    """The size at which ``build(size)`` comes closest to ``target`` parameters; more size, more parameters.

    The models are built on the meta device: no memory, no random numbers.
    """

    def count(size: int) -> int:
        with torch.device("meta"):
            return parameters(build(size))

    low, high = 1, 2
    while count(high) < target:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle) < target else (low, middle)
    return min((low, high), key=lambda size: abs(count(size) - target))
