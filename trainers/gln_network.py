"""A gated linear network around the generated neuron: tables of weights, their gates, and one online pass.

A neuron has a row of weights a region. Its gate names the region that the data lie in, and the emitted step moves that
row alone. No neuron waits for another one's error, so that a layer learns from many observations in one rollout of the
emitted module, row by row, before the next layer begins: the weights are those of a pass observation by observation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from generated.gln import Gln

VALUES = 2**21  # of z in one rollout; more are taken in turn


class Gate(Protocol):
    """Chooses the region of every neuron from what is known of the data."""

    @property
    def neurons(self) -> int: ...

    @property
    def regions(self) -> int: ...

    def __call__(self, side: Tensor) -> Tensor:
        """(S, features) -> (neurons, S) int64 below ``regions``."""


@dataclass(frozen=True)
class Rates:
    """The step of the n-th observation of a row is rate / (1 + n)^power, as for online convex descent.

    first   of neurons that read the data      later   of neurons that read forecasts
    """

    first: float
    later: float
    power: float


@dataclass(frozen=True)
class Group:
    """Rows that saw about equally many observations: neuron and region (R,), observations and their places (R, L)."""

    neuron: Tensor
    region: Tensor
    order: Tensor  # observations in their order in time, padded with the first one
    inside: Tensor  # (R, L): True where it is none of the padding


class GatedLayer(nn.Module):
    """``teams`` times ``gate.neurons`` neurons of ``inputs`` weights in every region; teams share the gates.

    A team forecasts one bit: a class against all others, or the next bit of a stream.
    """

    weights: Tensor
    seen: Tensor

    def __init__(self, teams: int, inputs: int, gate: Gate, start: float) -> None:
        super().__init__()
        self.gate, self.inputs = gate, inputs
        self.register_buffer("weights", torch.full((teams, gate.neurons, gate.regions, inputs), start))
        self.register_buffer("seen", torch.zeros(gate.neurons, gate.regions, dtype=torch.int64))
        self.neuron = Gln(inputs)

    def forecast(self, z: Tensor, side: Tensor) -> Tensor:
        """Log odds (teams, S, neurons) for z (teams or 1, S, inputs); nothing is learned."""
        regions = self.gate(side)
        rows = torch.arange(self.gate.neurons, device=z.device)[:, None]
        weights = self.weights[:, rows, regions]  # teams, neurons, S, inputs
        return torch.einsum("tnsd,tsd->tsn", weights, z.expand(len(self.weights), -1, -1))

    @torch.no_grad()
    def learn(self, z: Tensor, side: Tensor, target: Tensor, rate: float, power: float) -> Tensor:
        """Log odds (teams, S, neurons), each before its observation was learned from; target (teams, S) is 0 or 1."""
        teams, observed = len(self.weights), len(side)
        z = z.expand(teams, -1, -1)
        logits = z.new_empty(teams, observed, self.gate.neurons)
        for group in self._groups(self.gate(side), VALUES // (teams * self.inputs)):
            rows, length = group.order.shape
            at = (slice(None), group.neuron, group.region)
            seen = self.seen[group.neuron, group.region]
            weight = (1.0 + seen[:, None] + torch.arange(length, device=z.device)).pow(-power) * group.inside
            inputs = z[:, group.order].reshape(teams * rows, length, self.inputs).transpose(1, 2)
            before = self.weights[at].reshape(teams * rows, self.inputs)
            after = self.neuron.rollout(
                before, z=inputs, target=target[:, group.order].reshape(teams * rows, 1, length),
                g=(weight / self.inputs).to(z).repeat(teams, 1)[:, None], steps=length, dt=rate,
            ).w  # fmt: skip
            path = torch.cat([before[:, :, None], after[:, :, :-1]], dim=2)
            said = (path * inputs).sum(1).reshape(teams, rows, length)
            where = group.inside
            neuron = group.neuron[:, None].expand(rows, length)[where]
            logits[:, group.order[where], neuron] = said[:, where]
            self.weights[at] = after[:, :, -1].reshape(teams, rows, self.inputs)
            self.seen[group.neuron, group.region] += where.sum(1)
        return logits

    def _groups(self, regions: Tensor, most: int) -> Iterator[Group]:
        """The rows that some observation is in, those of like counts together: little padding, few rollouts."""
        neurons, observed = regions.shape
        device = regions.device
        rows = (regions + torch.arange(neurons, device=device)[:, None] * self.gate.regions).flatten()
        order = rows.argsort(stable=True)
        found, counts = torch.unique_consecutive(rows[order], return_counts=True)
        first = counts.cumsum(0) - counts
        size = torch.ceil(torch.log2(counts.double())).long()
        for power in size.unique().tolist():
            chosen = (size == power).nonzero().flatten()
            for some in chosen.split(max(1, most >> power)):
                within = torch.arange(int(counts[some].max()), device=device)
                inside = within < counts[some, None]
                place = first[some, None] + within * inside
                yield Group(
                    found[some] // self.gate.regions, found[some] % self.gate.regions, order[place] % observed, inside
                )  # fmt: skip


class GatedNetwork(nn.Module):
    """Layers of neurons that all forecast the same bit; the last has one neuron a team, and its word counts.

    ``limit`` bounds the log odds that are handed on.
    """

    def __init__(self, teams: int, inputs: int, gates: Sequence[Gate], *, start: float, limit: float) -> None:
        super().__init__()
        self.limit = limit
        widths = [inputs, *(gate.neurons + 1 for gate in gates)]
        starts = [0.0, *(start for _ in gates[1:])]
        self.layers = nn.ModuleList(
            GatedLayer(teams, width, gate, begin) for width, gate, begin in zip(widths, gates, starts, strict=False)
        )

    def gated(self) -> list[GatedLayer]:
        """The layers, first to last."""
        return [layer for layer in self.layers if isinstance(layer, GatedLayer)]

    def _handed_on(self, logits: Tensor) -> Tensor:
        """Forecasts as the inputs of the next layer, with a constant one."""
        return torch.cat([logits.clamp(-self.limit, self.limit), logits.new_ones(*logits.shape[:2], 1)], dim=2)

    def forward(self, z: Tensor, side: Tensor) -> Tensor:
        """Log odds (teams, S) of the last neuron; nothing is learned."""
        x = z[None]
        for layer in self.gated():
            logits = layer.forecast(x, side)
            x = self._handed_on(logits)
        return logits[:, :, 0].clamp(-self.limit, self.limit)

    def learn(self, z: Tensor, side: Tensor, target: Tensor, rates: Rates) -> Tensor:
        """The same, before each of the observations was learned from; z (S, inputs), target (teams, S)."""
        x = z[None]
        for depth, layer in enumerate(self.gated()):
            logits = layer.learn(x, side, target, rates.later if depth else rates.first, rates.power)
            x = self._handed_on(logits)
        return logits[:, :, 0].clamp(-self.limit, self.limit)
