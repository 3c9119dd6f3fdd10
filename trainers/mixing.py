"""1 x 1 convolution of several maps at once, on the CPU as one batched matrix product a map.

y = sum_i W_i x_i over the channels, with x_i (B, C_i, H, W) and W = [W_1, W_2, ...] of shape (width, sum C_i). Products
of a matrix and a sample work on maps that are in cache and need no concatenated input and no other layout; threads
share the samples. On the CPU that is faster than ``Conv2d`` at the widths of small image networks. Elsewhere the maps
are concatenated and given to ``conv2d``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

TOGETHER = 8  # samples whose outer products are formed before they are added up: bounds the memory of the slope


class _Products(torch.autograd.Function):
    """y = sum_i W_i x_i; the cotangents are x_i' = W_i^T y' and W_i' = sum over samples of y' x_i^T."""

    @staticmethod
    def forward(ctx, weight: Tensor, *maps: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
        ctx.save_for_backward(weight, *maps)
        flat = [x.flatten(2) for x in maps]
        first, *rest = weight.split([x.shape[1] for x in flat], 1)
        y = torch.bmm(first.expand(len(flat[0]), -1, -1), flat[0])
        for part, x in zip(rest, flat[1:], strict=True):
            y.baddbmm_(part.expand(len(x), -1, -1), x)
        result: Tensor = y.unflatten(2, maps[0].shape[2:])
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):  # type: ignore[no-untyped-def]
        weight, *maps = ctx.saved_tensors
        flat, above = [x.flatten(2) for x in maps], grad.flatten(2)
        counts = [x.shape[1] for x in flat]
        below = [torch.bmm(part.T.expand(len(above), -1, -1), above) for part in weight.split(counts, 1)]
        slope = torch.zeros_like(weight)
        for slope_of, x in zip(slope.split(counts, 1), flat, strict=True):
            for of_some, some in zip(above.split(TOGETHER), x.split(TOGETHER), strict=True):
                slope_of += torch.bmm(of_some, some.mT).sum(0)
        return slope, *(x.view_as(given) for x, given in zip(below, maps, strict=True))


def mixed(weight: Tensor, *maps: Tensor) -> Tensor:
    """sum_i W_i x_i over the channels of maps (B, C_i, H, W), for weight (width, sum C_i) = [W_1, W_2, ...]."""
    if maps[0].device.type != "cpu" or torch.compiler.is_compiling():
        return nn.functional.conv2d(torch.cat(maps, 1), weight[:, :, None, None])
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else weight.dtype
    result: Tensor = _Products.apply(weight.to(dtype), *(x.to(dtype) for x in maps))  # type: ignore[no-untyped-call]
    return result


class Mixing(nn.Module):
    """A learned matrix (width, channels) over the channels of one or more maps, without a bias."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width, channels))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))

    def forward(self, *maps: Tensor) -> Tensor:
        return mixed(self.weight, *maps)
