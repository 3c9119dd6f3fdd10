"""Plans by the cross-entropy method, through the rollout of any model, for many arms at once.

Reference: R. Y. Rubinstein, D. P. Kroese (2004), The Cross-Entropy Method.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from trainers.reacher_worlds import EPISODE, LIMIT, World, fingertip
from trainers.trajectories import Model

SUCCESS = 0.02  # metres from the goal at the end of an episode
ROOM = 0.2  # radians that a plan keeps from the stop of the elbow
AGAINST_STOP = 10.0  # metres that a radian beyond that costs
MOVING = 0.002  # metres that a radian a second costs


@dataclass(frozen=True)
class Planner:
    """horizon    steps of a plan                    every       steps until it is made anew
    population    plans of an iteration              elites      the best, which the next ones are drawn around
    iterations    of the first plan of an episode    again       of those after it, which begin at what is left of it
    """

    horizon: int = 10
    every: int = 5
    population: int = 32
    elites: int = 5
    iterations: int = 4
    again: int = 2


def costs(states: Tensor, goals: Tensor) -> Tensor:
    """Metres, (N, P) of predicted states (N, P, H, 4): distance and speed on the way, and how far a plan goes against
    the stop. What a model cannot predict costs more than anything."""
    away = (fingertip(states) - goals[:, None, None]).norm(dim=-1)
    against = (states[..., 1].abs() - (LIMIT - ROOM)).clamp(min=0)
    moving = states[..., 2:].norm(dim=-1)
    cost: Tensor = away.mean(-1) + away[..., -1] + MOVING * moving[..., -1] + AGAINST_STOP * against.sum(-1)
    return cost.nan_to_num(torch.inf, torch.inf, torch.inf).clamp(max=1e6)


@torch.no_grad()
def plan(
    model: Model, states: Tensor, goals: Tensor, mean: Tensor, planner: Planner, generator: torch.Generator, first: bool
) -> Tensor:
    """Actions (N, H, 2) that take states (N, 4) to goals (N, 2); ``mean`` is where the search begins."""
    count, size = len(states), planner.population
    deviation = torch.full_like(mean, 0.5 if first else 0.25)
    for _ in range(planner.iterations if first else planner.again):
        noise = torch.randn((count, size, *mean.shape[1:]), generator=generator, dtype=mean.dtype)
        actions = (mean[:, None] + deviation[:, None] * noise).clamp(-1, 1)
        actions[:, 0] = mean  # the best so far stays in the race
        start = states[:, None].expand(-1, size, -1).flatten(0, 1)
        predicted = model(start, actions.flatten(0, 1)).unflatten(0, (count, size))
        best = costs(predicted, goals).topk(planner.elites, largest=False).indices
        chosen = actions.gather(1, best[..., None, None].expand(-1, -1, *mean.shape[1:]))
        mean, deviation = chosen.mean(1), chosen.std(1)
    return mean


def reach(
    model: Model, world: World, seeds: list[int], planner: Planner, seed: int,
    advance: Callable[[float], None] = lambda share: None,
) -> Tensor:  # fmt: skip
    """How far the fingertips are from their goals after an episode each, (N,); ``advance`` hears the share done."""
    generator = torch.Generator().manual_seed(seed)
    states, goals = world.begin(seeds)
    actions = torch.zeros(len(seeds), planner.horizon, 2, dtype=states.dtype)
    for k in range(EPISODE):
        if k % planner.every == 0:
            actions = plan(model, states, goals, actions, planner, generator, first=k == 0)
        states = world.step(states, actions[:, 0])
        actions = torch.cat([actions[:, 1:], torch.zeros_like(actions[:, :1])], 1)
        advance((k + 1) / EPISODE)
    away: Tensor = (fingertip(states) - goals).norm(dim=-1)
    return away
