"""What predicts the arm: the emitted layer, a network of one step, and a network for the rates; states are (N, 4)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from generated.reacher import Reacher
from generated.reacher_learned import ReacherLearned

GEAR = 200.0  # N m of a motor at action 1: the unit of torque, which no trajectory tells
STEP = 0.02  # seconds that an action holds
FEATURES = 8  # sine and cosine of both angles, two speeds, two actions


class Arm(nn.Module):
    """The emitted layer in angles and speeds, (q, r, q', r'); ``finer`` steps of it are one."""

    def __init__(self, layer: Reacher | ReacherLearned | None = None, finer: int = 1) -> None:
        super().__init__()
        self.layer: Any = Reacher(1, dtype=torch.float64, dt=STEP) if layer is None else layer
        self.finer = finer

    def forward(self, start: Tensor, inputs: Tensor) -> Tensor:
        f, g = (GEAR * x.repeat_interleave(self.finer, 1)[:, None] for x in inputs.unbind(-1))
        state = self.with_momenta(start)
        states = self.layer.rollout(*state, f=f, g=g, steps=f.shape[2], every=self.finer)
        return self.with_speeds(states)

    def with_momenta(self, start: Tensor) -> tuple[Tensor, ...]:
        """The state of the layer of angles and speeds (N, 4). Speeds are linear in momenta: those of the two unit
        momenta, from the rates of the layer, are the columns of what is to be inverted."""
        q, r, *speeds = (x[:, None] for x in start.unbind(-1))
        one, none = torch.ones_like(q), torch.zeros_like(q)
        columns = [torch.cat(self._speeds(q, r, *unit), 1) for unit in ((one, none), (none, one))]
        momenta = torch.linalg.solve(torch.stack(columns, -1), torch.cat(speeds, 1))
        return q, r, momenta[:, :1], momenta[:, 1:]

    def with_speeds(self, states: tuple[Tensor, ...]) -> Tensor:
        """Angles and speeds (N, T, 4) of a trajectory of the layer."""
        return torch.stack([x[:, 0] for x in (*states[:2], *self._speeds(*states))], -1)

    def force(self, angles: Tensor) -> Tensor:
        """What its potential does to an arm at rest without torques, (N, 2) in N m of angles (N, 2)."""
        q, r = (x[:, None] for x in angles.unbind(-1))
        still = torch.zeros_like(q)
        rates = self.layer.rates(self.layer.STATE(q, r, still, still), f=still, g=still)
        return torch.cat(rates[2:], 1)

    def _speeds(self, *state: Tensor) -> tuple[Tensor, Tensor]:
        still = torch.zeros_like(state[0])
        rates = self.layer.rates(self.layer.STATE(*state), f=still, g=still)
        return rates[0], rates[1]


def network(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Two hidden layers; the last one begins small, so that nothing moves at first."""
    last = nn.Linear(hidden, outputs)
    with torch.no_grad():
        last.weight.mul_(0.1)
        last.bias.zero_()
    return nn.Sequential(nn.Linear(inputs, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(), last)


class Learned(nn.Module):
    """What both networks share: features of a state and the sizes of what they give, measured on the data."""

    speed: Tensor
    change: Tensor

    def __init__(self, hidden: int, speed: Tensor, change: Tensor, linear: bool) -> None:
        super().__init__()
        self.body = network(FEATURES, hidden, 4)
        self.linear = nn.Linear(FEATURES, 4, bias=False) if linear else None
        if self.linear is not None:
            nn.init.zeros_(self.linear.weight)
        self.register_buffer("speed", speed)  # (2,)
        self.register_buffer("change", change)  # (4,)

    def said(self, state: Tensor, action: Tensor) -> Tensor:
        """In units of ``change``."""
        angles, speeds = state[:, :2], state[:, 2:] / self.speed
        x = torch.cat([angles.sin(), angles.cos(), speeds, action], 1)
        said: Tensor = self.body(x) if self.linear is None else self.body(x) + self.linear(x)
        return self.change * said

    def forward(self, start: Tensor, inputs: Tensor) -> Tensor:
        state, states = start.to(self.change), []
        for action in inputs.to(self.change).unbind(1):
            state = self.advance(state, action)
            states.append(state)
        return torch.stack(states, 1).to(start)

    def advance(self, state: Tensor, action: Tensor) -> Tensor:
        raise NotImplementedError


class StepNetwork(Learned):
    """The change of a state in one step, by a network."""

    def advance(self, state: Tensor, action: Tensor) -> Tensor:
        return state + self.said(state, action)


class RateNetwork(Learned):
    """A black-box ordinary differential equation: the rates of a state by a network, a Runge-Kutta step of order 4."""

    def advance(self, state: Tensor, action: Tensor) -> Tensor:
        k1 = self.said(state, action)
        k2 = self.said(state + k1 / 2, action)
        k3 = self.said(state + k2 / 2, action)
        k4 = self.said(state + k3, action)
        return state + (k1 + 2 * k2 + 2 * k3 + k4) / 6
