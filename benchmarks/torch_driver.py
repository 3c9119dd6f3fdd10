"""From a function of tensors to a contender: forward without a graph, or outputs and gradients by autograd."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from benchmarks.contender import Contender, labels
from benchmarks.races import Array, Race

Tensors = tuple[Tensor, ...]


def tensors(race: Race, device: str) -> dict[str, Tensor]:
    """The inputs on a device; those that are differentiated are leaves."""
    found = {name: torch.tensor(array, device=device) for name, array in race.inputs.items()}
    for name in race.wanted if race.backward else ():
        found[name].requires_grad_(True)
    return found


def contender(
    race: Race,
    name: str,
    family: str,
    forward: Callable[[], Tensors],
    leaves: tuple[Tensor, ...],
    device: str,
    unchecked: bool = False,
) -> Contender:
    """``forward`` takes nothing and returns the outputs; ``leaves`` in the order of ``race.wanted``."""
    cotangents = tuple(torch.tensor(array, device=device) for array in race.cotangents)
    settle: Callable[[], None] = torch.cuda.synchronize if device == "cuda" else (lambda: None)

    def call() -> Tensors:
        if race.backward:
            out = forward()
            result = (*(x.detach() for x in out), *torch.autograd.grad(out, leaves, cotangents))
        else:
            with torch.no_grad():
                result = forward()
        settle()
        return result

    def numbers(result: Any) -> Mapping[str, Array]:
        return {label: x.detach().cpu().numpy() for label, x in zip(labels(race), result, strict=True)}

    return Contender(name, family, True, call, numbers, unchecked)
