"""Learning a system from trajectories: windows, noise and burn-in, multiple shooting, how far a rollout carries.

A model is anything that is called with states (N, D) at a start and inputs (N, T, A), and gives the states (N, T, D)
after every step. What is seen are ``Trajectories``; the unknown numbers are found by an optimiser of torch, or, where
they are few, with their uncertainty by ``trainers.identify``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

Model = Callable[[Tensor, Tensor], Tensor]


class SeriesError(ValueError):
    """A file that is no time series: says what is wrong, and where."""


@dataclass(frozen=True)
class Trajectories:
    """states (N, T + 1, D), and inputs (N, T, A) that hold from one to the next; A is zero where nothing is driven."""

    states: Tensor
    inputs: Tensor

    def __post_init__(self) -> None:
        count, frames = self.states.shape[:2]
        if self.inputs.dim() != 3 or self.inputs.shape[:2] != (count, frames - 1):
            raise ValueError(
                f"{count} trajectories of {frames} states need inputs ({count}, {frames - 1}, A), not "
                f"{tuple(self.inputs.shape)}"
            )

    def __len__(self) -> int:
        return len(self.states)

    def __getitem__(self, chosen: Tensor | slice) -> Trajectories:
        return Trajectories(self.states[chosen], self.inputs[chosen])

    @property
    def start(self) -> Tensor:
        return self.states[:, 0]

    @property
    def later(self) -> Tensor:
        return self.states[:, 1:]

    def to(self, device: torch.device) -> Trajectories:
        return Trajectories(self.states.to(device), self.inputs.to(device))

    def after(self, burn_in: int) -> Trajectories:
        """Without the first ``burn_in`` steps, in which a system still forgets how it was started."""
        return Trajectories(self.states[:, burn_in:], self.inputs[:, burn_in:])

    def noisy(self, deviation: float | Tensor, generator: torch.Generator) -> Trajectories:
        """As seen with normal noise of this deviation, one number or one a component (D,). Inputs are known."""
        noise = torch.randn(self.states.shape, generator=generator, dtype=self.states.dtype)
        return Trajectories(self.states + deviation * noise.to(self.states.device), self.inputs)

    def windows(self, length: int, stride: int | None = None, usable: Tensor | None = None) -> Trajectories:
        """Pieces of ``length`` steps, begun every ``stride`` steps (default: ``length``, so that neighbours share one
        state). With usable (N, T + 1) those alone whose states are all usable. Raises ValueError where none is left."""
        frames, stride = self.states.shape[1], stride or length
        if not 1 <= length < frames:
            raise ValueError(f"windows of {length} steps of trajectories of {frames - 1}")
        firsts = range(0, frames - length, stride)
        states = torch.stack([self.states[:, i : i + length + 1] for i in firsts], 1).flatten(0, 1)
        inputs = torch.stack([self.inputs[:, i : i + length] for i in firsts], 1).flatten(0, 1)
        cut = Trajectories(states, inputs)
        if usable is None:
            return cut
        whole = torch.stack([usable[:, i : i + length + 1].all(1) for i in firsts], 1).flatten()
        if not whole.any():
            raise ValueError(f"no window of {length} steps is usable throughout: take shorter ones, or more data")
        return cut[whole]


class Shooting(nn.Module):
    """Multiple shooting: every window has a start of its own, which is an unknown as the parameters of the model are.

    Noise of the first state of a window then does no harm, and a short window has no minima at rhythms that are out of
    step. ``forward`` gives the residuals (N, (T + 1) D) of all states, over ``scale`` (D,), the noise of a component.
    """

    scale: Tensor

    def __init__(self, model: Model, seen: Trajectories, scale: Tensor) -> None:
        super().__init__()
        self.model, self.starts = model, nn.Parameter(seen.start.clone())
        self.register_buffer("scale", scale)

    def forward(self, seen: Trajectories) -> Tensor:
        later = self.model(self.starts, seen.inputs)
        missed = torch.cat([self.starts[:, None], later], 1) - seen.states
        return (missed / self.scale).flatten(1)


def misses(predicted: Tensor, seen: Tensor, scale: Tensor) -> Tensor:
    """The root of the mean square of (predicted - seen) / scale over the components, (N, T) of states (N, T, D)."""
    return ((predicted - seen) / scale).square().mean(-1).sqrt()


def divergence_steps(missed: Tensor, tolerance: float) -> Tensor:
    """How many steps each rollout stays within the tolerance, (N,) of misses (N, T); T where it never leaves."""
    return (missed.nan_to_num(torch.inf) <= tolerance).long().cumprod(1).sum(1)


def energy_drift(energy: Tensor) -> Tensor:
    """The largest change of the energy on the way, over its size at the start, (N,) of energies (N, T)."""
    first = energy[:, :1]
    return ((energy - first).abs() / first.abs()).amax(1)


def read_series(path: Path) -> Mapping[str, Tensor]:
    """The columns of a CSV file by the names in its first line, float64, one row a moment.

    Raises SeriesError for a file without names, of rows of different lengths, or with a cell that is no number.
    """
    lines = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    names = [name.strip() for name in lines[0]] if lines else []
    if not names or not all(name.isidentifier() for name in names) or len(set(names)) < len(names):
        raise SeriesError(f"{path}, line 1: not different names of columns but {','.join(names)!r}")
    rows = []
    for number, cells in enumerate(lines[1:], 2):
        if len(cells) != len(names):
            raise SeriesError(f"{path}, row {number}: {len(cells)} cells, the first row has {len(names)}")
        try:
            rows.append([float(cell) for cell in cells])
        except ValueError as error:
            raise SeriesError(f"{path}, row {number}: {error}") from error
        if not np.isfinite(rows[-1]).all():
            raise SeriesError(f"{path}, row {number}: a number is missing or infinite")
    if not rows:
        raise SeriesError(f"{path} has no row of numbers")
    columns = torch.tensor(rows, dtype=torch.float64)
    return {name: columns[:, i] for i, name in enumerate(names)}


def even_step(times: Tensor, tolerance: float = 1e-3) -> float:
    """The step between the moments (n,) of a series. Raises SeriesError where they are not evenly spaced."""
    steps = times.diff()
    if not len(steps):
        raise SeriesError("one moment has no step")
    dt = float(steps.mean())
    off = float((steps - dt).abs().max())
    if not dt > 0 or off > tolerance * dt:
        raise SeriesError(f"moments are not evenly spaced: steps of {float(steps.min()):g} to {float(steps.max()):g}")
    return dt
