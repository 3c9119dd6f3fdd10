"""Who learns: the gated linear network by the emitted step, or a perceptron by backpropagation; both in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from trainers.gln_network import GatedNetwork, Rates
from trainers.gln_tasks import Observations

SCORED_AT_ONCE = 16384


class Learner(Protocol):
    """A network that reads every observation once."""

    network: nn.Module
    optimizer: torch.optim.Optimizer | None

    def learn(self, part: Observations, first: int, total: int) -> Tensor:
        """Log odds (teams, S), each before it was learned from; the part begins at the ``first`` of ``total``."""

    def forecast(self, part: Observations) -> Tensor:
        """Log odds (teams, S) with the weights as they are."""


class Gated:
    """The network of emitted neurons. Nothing is propagated back, and no optimiser takes part."""

    optimizer: torch.optim.Optimizer | None = None

    def __init__(self, fabric: Fabric, network: GatedNetwork, rates: Rates) -> None:
        self.gated, self.rates = network.to(fabric.device), rates
        self.network: nn.Module = self.gated

    def learn(self, part: Observations, first: int, total: int) -> Tensor:
        said: Tensor = self.gated.learn(part.z, part.side, part.target, self.rates)
        return said

    @torch.no_grad()
    def forecast(self, part: Observations) -> Tensor:
        return torch.cat([self.gated(z, side) for z, side in zip(
            part.z.split(SCORED_AT_ONCE), part.side.split(SCORED_AT_ONCE), strict=True)], dim=1)  # fmt: skip


class Backpropagated:
    """A perceptron with rectified units and Adam, whose rate falls to zero over the pass; one team: the log loss of a
    bit, more of them: the cross entropy of the classes."""

    def __init__(self, fabric: Fabric, inputs: int, teams: int, hidden: Sequence[int], lr: float, batch: int) -> None:
        self.fabric, self.lr, self.batch = fabric, lr, batch
        widths = [inputs, *hidden]
        layers: list[nn.Module] = []
        for width, following in pairwise(widths):
            layers += [nn.Linear(width, following), nn.ReLU()]
        self.network: nn.Module = nn.Sequential(*layers, nn.Linear(widths[-1], teams))
        adam = torch.optim.Adam(self.network.parameters(), lr=lr, fused=True)
        self.optimizer: torch.optim.Optimizer | None = adam
        self.model, self.stepper = fabric.setup(self.network, adam)

    def learn(self, part: Observations, first: int, total: int) -> Tensor:
        said = []
        for z, target in zip(part.z.split(self.batch), part.target.split(self.batch, 1), strict=True):
            for group in self.stepper.param_groups:
                group["lr"] = self.lr * (1 - first / total)
            first += len(z)
            logits = self.model(z).T
            if len(target) == 1:
                loss = binary_cross_entropy_with_logits(logits, target)
            else:
                loss = cross_entropy(logits.T, target.argmax(0))
            self.stepper.zero_grad()
            self.fabric.backward(loss)
            self.stepper.step()
            said.append(logits.detach())
        return torch.cat(said, dim=1)

    @torch.no_grad()
    def forecast(self, part: Observations) -> Tensor:
        return torch.cat([self.network(z).T for z in part.z.split(SCORED_AT_ONCE)], dim=1)
