"""Few unknown numbers from many residuals, with their uncertainty: Levenberg and Marquardt's method as an optimiser.

Unknowns are shared by all residuals (the parameters of a layer), or local to one window (its start, in multiple
shooting). The normal equations then have the form of an arrow, and the local unknowns are eliminated window by window,
so that a thousand windows cost what their residuals cost. Jacobians are taken forward, by ``torch.func.jacfwd``: one
pass of all tangents, whatever the number of residuals.

Reference: J. Nocedal, S. J. Wright (2006), Numerical Optimization, section 10.3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacfwd

FLAT = 1e-12  # an eigenvalue of the scaled information below this share of the largest: the data say nothing
SMALLEST, LARGEST = 1e-12, 1e12  # of the damping


@dataclass(frozen=True)
class Curvature:
    """J'J and J'r of shared (P,) and local unknowns (N, L); ``left`` is the sum of the squared residuals."""

    shared: Tensor  # (P, P)
    mixed: Tensor  # (N, P, L)
    local: Tensor  # (N, L, L)
    shared_slope: Tensor  # (P,)
    local_slope: Tensor  # (N, L)
    left: float
    count: int

    def step(self, damping: float) -> tuple[Tensor, Tensor]:
        """What to add to shared and local unknowns; every diagonal is raised by the damping."""
        shared, local = (_raised(block, damping) for block in (self.shared, self.local))
        weights = torch.linalg.solve(local, self.mixed.mT)  # (N, L, P)
        own = torch.linalg.solve(local, self.local_slope[..., None])
        slope = self.shared_slope - (self.mixed @ own).sum(0)[:, 0]
        moved = -torch.linalg.solve(shared - (self.mixed @ weights).sum(0), slope)
        return moved, -(own[..., 0] + weights @ moved)

    def information(self) -> Tensor:
        """That of the shared unknowns, whatever the local ones are: (P, P)."""
        if not self.mixed.shape[2]:
            return self.shared
        eliminated: Tensor = (self.mixed @ torch.linalg.solve(_raised(self.local, 0.0), self.mixed.mT)).sum(0)
        return self.shared - eliminated


def _raised(block: Tensor, damping: float) -> Tensor:
    diagonal = block.diagonal(dim1=-2, dim2=-1)
    floor = diagonal.amax().clamp(min=1e-300) * 1e-15 if diagonal.numel() else 0.0
    return block + torch.diag_embed(damping * diagonal + floor)


class LevenbergMarquardt(torch.optim.Optimizer):
    """``step(*given)`` takes one step on the sum of squares of the residuals ``model(*given)``, (N, R).

    local    names of parameters (N, ...) whose row i is in the residuals of row i alone; all others are shared

    damping  of the first step, in shares of the diagonal of J'J
    reach    no shared unknown moves further in one step: raw numbers behind a sign go astray in long ones

    A step that does not lower the sum is taken back and tried again, shorter; where none lowers it, nothing moves.
    """

    def __init__(
        self, model: nn.Module, local: Sequence[str] = (), *, damping: float = 1.0, reach: float = math.inf
    ) -> None:
        super().__init__(model.parameters(), {})
        self.model, self.reach = model, reach
        named = dict(model.named_parameters())
        self.local = {name: named[name] for name in local}
        self.shared = {name: p for name, p in named.items() if name not in self.local}
        self.first = next(model.parameters())
        self.state[self.first]["damping"] = torch.tensor(damping, dtype=torch.float64)

    def curvature(self, *given: Any) -> Curvature:
        """J'J and J'r at the present numbers."""
        rows = next(iter(self.local.values())).shape[0] if self.local else 1

        def residuals(shared: Tensor, local: Tensor) -> Tensor:
            moved = _moved(self.shared, shared[None]) | _moved(self.local, local.expand(rows, -1))
            found: Tensor = functional_call(self.model, moved, given)
            return found

        widths = [sum(p.numel() for p in self.shared.values()), sum(p.numel() // rows for p in self.local.values())]
        none = [self.first.detach().new_zeros(width) for width in widths]
        with torch.no_grad():
            seen = residuals(*none)
            a, b = jacfwd(residuals, (0, 1))(*none)
        return curvature(seen, a, b)

    @torch.no_grad()
    def step(self, *given: Any, tries: int = 10) -> float:  # type: ignore[override]
        """Returns the sum of squares afterwards."""
        here = self.curvature(*given)
        kept = {name: p.detach().clone() for name, p in (self.shared | self.local).items()}
        damping, left = float(self.state[self.first]["damping"]), here.left
        for _ in range(tries):
            shared, local = here.step(damping)
            share = min(1.0, self.reach / max(float(shared.abs().max()), 1e-300))
            self._put(_moved(kept, share * shared[None], self.shared) | _moved(kept, share * local, self.local))
            tried = float(self.model(*given).square().sum())
            if tried < here.left:
                left, damping = tried, max(damping / 10, SMALLEST)
                break
            damping = min(damping * 10, LARGEST)
        else:
            self._put(kept)
        self.state[self.first]["damping"] = torch.tensor(damping, dtype=torch.float64)
        return left

    def _put(self, values: Mapping[str, Tensor]) -> None:
        for name, p in (self.shared | self.local).items():
            p.copy_(values[name])


def _moved(base: Mapping[str, Tensor], added: Tensor, names: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
    """Tensors, of these names or all, and what is added to them: (rows, numbers of all of them one after another)."""
    moved, place = {}, 0
    for name in base if names is None else names:
        size = base[name].numel() // len(added)
        moved[name] = base[name].detach() + added[:, place : place + size].reshape(base[name].shape)
        place += size
    return moved


def curvature(residuals: Tensor, shared: Tensor, local: Tensor) -> Curvature:
    """J'J and J'r of residuals (N, R) with their derivatives to shared (N, R, P) and local unknowns (N, R, L)."""
    return Curvature(
        torch.einsum("nrp,nrq->pq", shared, shared), shared.mT @ local, local.mT @ local,
        torch.einsum("nrp,nr->p", shared, residuals), torch.einsum("nrl,nr->nl", local, residuals),
        float(residuals.square().sum()), residuals.numel(),
    )  # fmt: skip


@dataclass(frozen=True)
class Uncertainty:
    """Of shared unknowns: covariance (P, P), infinite on the diagonal for what the data do not tell; the deviation
    of one residual; directions (P, U) of the unknowns along which nothing changes."""

    covariance: Tensor
    residual: float
    silent: Tensor

    @property
    def errors(self) -> Tensor:
        return self.covariance.diagonal().sqrt()


def uncertainty(found: Curvature) -> Uncertainty:
    """The covariance s^2 (J'J)^-1 of the shared unknowns, s^2 the mean square left for each degree of freedom.

    It is that of residuals whose noise is independent and normal, near a minimum.
    """
    information = found.information()
    size = information.diagonal().clamp(min=0).sqrt()
    size = torch.where(size > 0, size, torch.ones_like(size))
    values, vectors = torch.linalg.eigh(information / size[:, None] / size)
    told = values > FLAT * values.max().clamp(min=1e-300)
    free = found.count - int(told.sum()) - found.local_slope.numel()
    residual = math.sqrt(found.left / max(free, 1))
    kept = vectors[:, told]
    covariance = residual**2 * (kept / values[told]) @ kept.mT / size[:, None] / size
    silent = vectors[:, ~told] / size[:, None]
    lost = (vectors[:, ~told].abs() > 1e-6).any(1)
    covariance = torch.where(torch.diag(lost), torch.full_like(covariance, torch.inf), covariance)
    return Uncertainty(covariance, residual, silent)


def physical_errors(layer: nn.Module, names: Sequence[str], raw: Tensor) -> dict[str, float]:
    """The errors of parameters of a layer by name, of those of the raw numbers (P,) behind them, in that order."""
    found = {}
    for place, name in enumerate(names):
        parameter = getattr(layer, f"raw_{name}")
        (slope,) = torch.autograd.grad(getattr(layer, name).sum(), parameter)
        if slope.numel() != 1:
            raise ValueError(f"{name} is {slope.numel()} numbers: give errors of one number each")
        error = float(raw[place])
        found[name] = error if math.isinf(error) else abs(float(slope)) * error
    return found
