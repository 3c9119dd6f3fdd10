"""A 3x3 convolution layer of oneDNN or cuDNN with as many parameters as the block and its mixes.

It computes something else; it is the layer that the block would stand in for, so it is timed and not compared.
"""

from __future__ import annotations

import torch

from benchmarks.contender import Contender
from benchmarks.races import Race

NAME = "3x3 convolution"
GRADIENTS = True
KINDS = ("whole",)


def version() -> str:
    return f"torch {torch.__version__} (oneDNN, cuDNN)"


def width(parameters: int) -> int:
    """Channels c of the layer c -> c whose 9 c^2 + c parameters come closest from above, a multiple of 8."""
    c = 8
    while 9 * c * c + c < parameters:
        c += 8
    # Of the two neighbours the one nearer in parameters.
    below = c - 8
    nearer_below = below > 0 and parameters - (9 * below * below + below) < 9 * c * c + c - parameters
    return below if nearer_below else c


def parameters(race: Race) -> int:
    """Learned numbers of the block: the mixes, the coefficients, the blocks of B below the diagonal."""
    c = race.inputs["x"].shape[1]
    mixes = race.inputs["mix_in"].size + race.inputs["mix_out"].size
    return int(mixes + 4 * c + c // 8 * 28)


def contenders(race: Race, device: str) -> tuple[Contender, ...]:
    if race.kind != "whole":
        return ()
    b, _, h, w = race.inputs["x"].shape
    c = width(parameters(race))
    torch.manual_seed(0)
    layer = torch.nn.Conv2d(c, c, 3, padding=1).to(device)
    x = torch.randn(b, c, h, w, device=device, requires_grad=True)
    cotangent = torch.randn(b, c, h, w, device=device)
    leaves = (x, *layer.parameters())

    def call() -> object:
        y = layer(x)
        found = torch.autograd.grad(y, leaves, cotangent)
        if device == "cuda":
            torch.cuda.synchronize()
        return found

    return (Contender(f"{NAME} {c}->{c}", NAME, True, call, lambda result: {}, unchecked=True),)
