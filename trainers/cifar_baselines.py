"""Networks to compare with, at any width: a residual network for small images, and a ConvNeXt-like one.

References: K. He et al. (2016), Deep Residual Learning for Image Recognition, section 4.2; Z. Liu et al. (2022), A
ConvNet for the 2020s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from trainers.sizes import parameters

Build = Callable[[int], nn.Module]


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut; the first one may halve the resolution."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, width, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(width), nn.BatchNorm2d(width)])
        same = stride == 1 and before == width
        self.stride = stride
        project = [nn.Conv2d(before, width, 1, bias=False), nn.BatchNorm2d(width)]
        self.shortcut = nn.Identity() if same else nn.Sequential(*project)

    def forward(self, x: Tensor) -> Tensor:
        y = relu(self.norms[0](self.first(x)))
        # A stride of the 1 x 1 convolution itself takes the same sites, but its gradient writes out of bounds for fewer
        # than 8 channels in oneDNN 3.12 with AVX2 and one thread.
        return relu(self.norms[1](self.second(y)) + self.shortcut(x[..., :: self.stride, :: self.stride]))


class ResNet(nn.Module):
    """3 x 3 stem, a stage of basic blocks for every width, each at half the resolution before, mean, linear."""

    def __init__(self, inputs: int, classes: int, widths: Sequence[int], blocks: Sequence[int]) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        for k, (before, after) in enumerate(pairwise((widths[0], *widths))):
            stages.append(BasicBlock(before, after, 1 if k == 0 else 2))
            stages += [BasicBlock(after, after, 1) for _ in range(blocks[k] - 1)]
        stem = [nn.Conv2d(inputs, widths[0], 3, 1, 1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()]
        self.stem = nn.Sequential(*stem)
        self.stages = nn.Sequential(*stages)
        self.classify = nn.Linear(widths[-1], classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.classify(self.stages(self.stem(x)).mean((2, 3)))
        return result


class ConvNextBlock(nn.Module):
    """7 x 7 convolution of every channel by itself, norm, two 1 x 1 convolutions with GELU between, shortcut."""

    def __init__(self, width: int, expansion: int = 4) -> None:
        super().__init__()
        self.space = nn.Conv2d(width, width, 7, 1, 3, groups=width)
        self.norm = nn.BatchNorm2d(width)
        self.widen, self.narrow = nn.Conv2d(width, expansion * width, 1), nn.Conv2d(expansion * width, width, 1)
        self.scale = nn.Parameter(torch.full((width, 1, 1), 0.1))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.scale * self.narrow(nn.functional.gelu(self.widen(self.norm(self.space(x)))))
        return result


class ConvNext(nn.Module):
    """3 x 3 stem, a stage of ConvNeXt blocks for every width with 2 x 2 convolutions between, mean, linear."""

    def __init__(self, inputs: int, classes: int, widths: Sequence[int], blocks: Sequence[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(inputs, widths[0], 3, 1, 1)]
        for k, width in enumerate(widths):
            if k:
                layers += [nn.BatchNorm2d(widths[k - 1]), nn.Conv2d(widths[k - 1], width, 2, 2)]
            layers += [ConvNextBlock(width) for _ in range(blocks[k])]
        self.body = nn.Sequential(*layers, nn.BatchNorm2d(widths[-1]))
        self.classify = nn.Linear(widths[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.classify(self.body(x).mean((2, 3)))
        return result


def width_for(build: Build, count: int, step: int = 1) -> int:
    """The width, a multiple of ``step``, whose network comes closest to ``count`` parameters; wider is more."""

    def size(units: int) -> int:
        with torch.device("meta"):
            return parameters(build(units * step))

    low, high = 1, 2
    while size(high) <= count:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if size(middle) <= count else (low, middle)
    return step * min((low, high), key=lambda units: abs(size(units) - count))
