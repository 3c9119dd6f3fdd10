"""Densities on the plane by Hamiltonian flows, and a RealNVP beside them.

A point q of the data gets a momentum p of an encoder f(p | q), and both flow through blocks of the generated module to
z = T(q, p). The flow keeps the volume of phase space, log|det dT| = 0 (a law of its spec), so that with a Gaussian pi

    log p(q) = log E_f [ pi(T(q, p)) / f(p | q) ]  >=  E log (1/K) sum_k pi(T(q, p_k)) / f(p_k | q)

the importance-weighted bound, which K momenta estimate. Samples go the other way: a step of leapfrog is undone by
turning the momenta round, stepping, and turning them back.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from generated.flow import Flow
from generated.flow_rotation import FlowRotation

GAIN = 0.2  # of the units of a potential at the start, over what the layer draws: a flow begins near a shear


def log_normal(x: Tensor, log_scale: Tensor) -> Tensor:
    """log N(x; 0, exp(2 log_scale)), summed over the last axis."""
    return (-(x * torch.exp(-log_scale)).square() / 2 - log_scale - math.log(2 * math.pi) / 2).sum(-1)


def mlp(inputs: int, width: int, outputs: int, scale: float) -> nn.Sequential:
    """Two hidden layers; the last one begins small."""
    last = nn.Linear(width, outputs)
    nn.init.normal_(last.weight, std=scale / math.sqrt(width))
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), last)


class Encoder(nn.Module):
    """f(p | q) = N(mean(q), exp(2 log_scale(q))), of any q and p."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = mlp(2, width, 4, 0.1)

    def forward(self, q: Tensor) -> tuple[Tensor, Tensor]:
        """(..., 2) -> mean and log scale, each (..., 2)."""
        mean, log_scale = self.net(q).chunk(2, dim=-1)
        return mean, log_scale


class RoundEncoder(nn.Module):
    """f(p | q) that turns with q: mean a q + b q_perp, and one scale, functions of |q|^2."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = mlp(1, width, 3, 0.1)

    def forward(self, q: Tensor) -> tuple[Tensor, Tensor]:
        """(..., 2) -> mean and log scale, each (..., 2)."""
        a, b, log_scale = self.net(q.square().sum(-1, keepdim=True)).chunk(3, dim=-1)
        across = torch.stack((-q[..., 1], q[..., 0]), dim=-1)
        return a * q + b * across, log_scale.expand_as(q)


class HamiltonianFlow(nn.Module):
    """blocks flows, each with a potential of its own; ``rotation``: everything commutes with rotations of the plane.

    width  of the encoder
    """

    weighted = True

    def __init__(self, blocks: int, width: int, *, rotation: bool = False) -> None:
        super().__init__()
        self.encoder = RoundEncoder(width) if rotation else Encoder(width)
        layer: Any = FlowRotation if rotation else Flow
        self.blocks = nn.ModuleList(layer(1) for _ in range(blocks))
        block: Any
        for block in self.blocks:
            block.raw_V_offset.requires_grad_(False)  # a constant in an energy moves nothing
            with torch.no_grad():
                block.raw_V[..., -1] *= GAIN
        self.log_scale = nn.Parameter(torch.zeros(2 if rotation else 4))

    @property
    def base(self) -> Tensor:
        """log of the standard deviations of pi, (4,): of both coordinates, then of both momenta."""
        return self.log_scale.repeat_interleave(2) if len(self.log_scale) == 2 else self.log_scale

    def flow(self, z: Tensor, *, back: bool = False) -> Tensor:
        """T or its inverse at phase points (N, 4)."""
        turn = z.new_tensor([1.0, 1.0, -1.0, -1.0]) if back else z.new_ones(4)
        z = z * turn
        for block in reversed(self.blocks) if back else self.blocks:
            z = torch.cat(tuple(block(*z.split(1, dim=-1))), dim=-1)
        turned: Tensor = z * turn
        return turned

    def log_weights(self, q: Tensor, noise: Tensor) -> Tensor:
        """log pi(T(q, p_k))/f(p_k | q) of points (N, 2) and standard normal numbers (K, N, 2), as (K, N)."""
        mean, log_scale = self.encoder(q)
        p = mean + torch.exp(log_scale) * noise
        z = self.flow(torch.cat((q.expand_as(p), p), dim=-1).flatten(0, 1))
        own = log_normal(noise, torch.zeros_like(log_scale)) - log_scale.sum(-1)
        weights: Tensor = log_normal(z, self.base).unflatten(0, noise.shape[:2]) - own
        return weights

    def forward(self, q: Tensor, noise: Tensor) -> Tensor:
        """The importance-weighted bound on log p(q), (N,)."""
        return torch.logsumexp(self.log_weights(q, noise), dim=0) - math.log(len(noise))

    def sample(self, noise: Tensor) -> Tensor:
        """Points (N, 2) from standard normal numbers (N, 4)."""
        return self.flow(noise * torch.exp(self.base), back=True)[:, :2]


class RealNVP(nn.Module):
    """Affine couplings that move one coordinate by functions of the other, in turns; the log-determinant is a sum.

    width  of the networks, with two hidden layers each
    """

    weighted = False
    LIMIT = 3.0  # of a log scale of a coupling

    def __init__(self, couplings: int, width: int) -> None:
        super().__init__()
        self.couplings = nn.ModuleList(mlp(1, width, 2, 0.1) for _ in range(couplings))
        self.log_scale = nn.Parameter(torch.zeros(2))

    def _coupling(self, net: Any, given: Tensor) -> tuple[Tensor, Tensor]:
        log_scale, shift = net(given).chunk(2, dim=-1)
        return self.LIMIT * torch.tanh(log_scale / self.LIMIT), shift

    def forward(self, q: Tensor, noise: Tensor) -> Tensor:
        """log p(q) of points (N, 2), exactly; ``noise`` is not looked at."""
        moved, given = q.split(1, dim=-1)
        total = q.new_zeros(len(q))
        for net in self.couplings:
            log_scale, shift = self._coupling(net, given)
            moved, given = given, moved * torch.exp(log_scale) + shift
            total = total + log_scale[:, 0]
        return log_normal(torch.cat((moved, given), dim=-1), self.log_scale) + total

    def sample(self, noise: Tensor) -> Tensor:
        """Points (N, 2) from standard normal numbers (N, 4), of which two are used."""
        moved, given = (noise[:, :2] * torch.exp(self.log_scale)).split(1, dim=-1)
        for net in reversed(self.couplings):
            moved, given = given, moved
            log_scale, shift = self._coupling(net, given)
            moved = (moved - shift) * torch.exp(-log_scale)
        return torch.cat((moved, given), dim=-1)
