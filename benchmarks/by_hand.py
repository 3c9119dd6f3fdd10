"""Systems of specs/gallery as one would write them in PyTorch: the same methods, with gradients by autograd."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus


class ByHand(nn.Module):
    """A layer of C channels that takes so many steps of length dt."""

    def __init__(self, channels: int, steps: int, dt: float = 0.1) -> None:
        super().__init__()
        self.steps, self.dt = steps, dt
        self.first, self.second = (nn.Parameter(torch.zeros(channels)) for _ in range(2))
        self.matrix = nn.Parameter(torch.zeros(channels, channels))

    def leapfrog(self, q: Tensor, p: Tensor, slope: Callable[[Tensor], Tensor]) -> tuple[Tensor, ...]:
        for _ in range(self.steps):
            q = torch.add(q, p, alpha=self.dt / 2)
            p = torch.add(p, slope(q), alpha=-self.dt)
            q = torch.add(q, p, alpha=self.dt / 2)
        return q, p


class Duffing(ByHand):
    def forward(self, q: Tensor, p: Tensor) -> tuple[Tensor, ...]:
        alpha, beta = softplus(self.first), softplus(self.second)
        return self.leapfrog(q, p, lambda x: x * (alpha + beta * x * x))


class Pendulum(ByHand):
    def forward(self, q: Tensor, p: Tensor) -> tuple[Tensor, ...]:
        w2 = softplus(self.first)
        return self.leapfrog(q, p, lambda x: w2 * torch.sin(x))


class ChannelOscillators(ByHand):
    def forward(self, q: Tensor, p: Tensor) -> tuple[Tensor, ...]:
        w2, k = softplus(self.first[0]), (self.matrix + self.matrix.T) / 2
        return self.leapfrog(q, p, lambda x: torch.addmm(w2 * x, x, k))


class Kuramoto(ByHand):
    def rate(self, x: Tensor) -> Tensor:
        sine, cosine = x.sin(), x.cos()
        pull = sine.sum(1, keepdim=True) * cosine - cosine.sum(1, keepdim=True) * sine
        return self.first + self.second[0] * pull

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        h = self.dt
        for _ in range(self.steps):
            k1 = self.rate(x)
            k2 = self.rate(torch.add(x, k1, alpha=h / 2))
            k3 = self.rate(torch.add(x, k2, alpha=h / 2))
            k4 = self.rate(torch.add(x, k3, alpha=h))
            x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return (x,)


LAYERS = {"duffing": Duffing, "pendulum": Pendulum, "channel_oscillators": ChannelOscillators, "kuramoto": Kuramoto}
