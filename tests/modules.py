"""Torch modules to give for learned functions: a small network, and functions in closed form."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


class Network(nn.Module):
    """A softplus network of ``count`` numbers at a site, the same at every site and in every channel."""

    def __init__(self, count: int = 1, width: int = 6, seed: int = 0) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(count, width), nn.Softplus(), nn.Linear(width, 1))
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for weight in self.parameters():
                weight.copy_(torch.randn(weight.shape, generator=generator))

    def forward(self, *values: Tensor) -> Tensor:
        return self.layers(torch.stack(values, -1)).squeeze(-1)


class Closed(nn.Module):
    """A function in closed form, with coefficients that are parameters."""

    def __init__(self, function: Callable[..., Tensor], *coefficients: float) -> None:
        super().__init__()
        self.function = function
        self.coefficients = nn.ParameterList(
            nn.Parameter(torch.tensor(float(c), dtype=torch.float64)) for c in coefficients
        )

    def forward(self, *values: Tensor) -> Tensor:
        return self.function(*values, *self.coefficients)


def quartic(m2: float, lam: float) -> Closed:
    """V = m2 phi^2/2 + lam phi^4/4."""
    return Closed(lambda phi, a, b: a * phi**2 / 2 + b * phi**4 / 4, m2, lam)
