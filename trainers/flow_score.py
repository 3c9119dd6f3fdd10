"""Figures of a density model: nats on test points, what a rotation does to them, what the flow does to volumes."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainers.flow_data import Mixture

TURNS = 8  # random rotations
MOST = 65_536  # phase points at a time
CHANGED = 16  # phase points whose Jacobian is taken


def noise_of(rng: np.random.Generator, importance: int, points: int) -> Tensor:
    """Standard normal numbers (K, N, 2) for the momenta of N points."""
    return torch.from_numpy(rng.normal(size=(importance, points, 2)))


@torch.no_grad()
def log_density(model: Any, points: Tensor, noise: Tensor) -> Tensor:
    """The model's log p of points (N, 2) with momenta from (K, N, 2), some points at a time, (N,)."""
    size = max(1, MOST // len(noise)) if model.weighted else len(points)
    parts = zip(points.split(size), noise.split(size, dim=1), strict=True)
    return torch.cat([model(q, e) for q, e in parts])


@torch.no_grad()
def symmetry_error(model: Any, points: Tensor, noise: Tensor, rng: np.random.Generator) -> float:
    """The largest change of log p, in nats, when points and momenta are turned together by random angles."""
    before, worst = log_density(model, points, noise), 0.0
    for angle in rng.uniform(0, 2 * math.pi, size=TURNS):
        c, s = math.cos(angle), math.sin(angle)
        turn = points.new_tensor([[c, s], [-s, c]])
        after = log_density(model, points @ turn, noise @ turn)
        worst = max(worst, float((after - before).abs().max()))
    return worst


def volume_error(model: Any, points: Tensor) -> float:
    """The largest |log|det dT/dz|| at phase points (N, 4), by autograd through the flow."""
    worst = 0.0
    for z in points:
        jacobian = torch.autograd.functional.jacobian(lambda x: model.flow(x[None])[0], z)
        worst = max(worst, abs(float(torch.linalg.slogdet(jacobian)[1])))
    return worst


def score(model: Any, density: Mixture, *, seed: int, points: int, importance: int) -> dict[str, float | int]:
    """nats         mean of -log p on test points, by ``importance`` momenta each where momenta are needed
    bound, nats_of_density    the same with one momentum; of the density itself: no model has less, but for chance
    symmetry, symmetry64      largest change of log p by a rotation, in nats: in float32 as trained, and in float64
    volume64     largest |log|det|| of the flow, in float64"""
    rng = np.random.default_rng([seed, 1])
    drawn = density.draw(points, rng)
    test = torch.from_numpy(drawn).to(next(model.parameters()))
    few = test[: max(1, points // 8)]
    noise = noise_of(rng, importance, points).to(test)
    fine = copy.deepcopy(model).double()
    own = noise_of(rng, 4, len(few))
    figures: dict[str, float | int] = {
        "nats": -float(log_density(model, test, noise).mean()),
        "nats_of_density": -float(density.log_density(drawn).mean()),
        "symmetry": symmetry_error(model, few, own.to(test), rng),
        "symmetry64": symmetry_error(fine, few.double(), own, rng),
    }
    if model.weighted:
        figures["bound"] = -float(log_density(model, test, noise[:1]).mean())
        figures["volume64"] = volume_error(fine, torch.from_numpy(rng.normal(size=(CHANGED, 4))))
    return {**figures, "points": points, "importance": importance if model.weighted else 1}
