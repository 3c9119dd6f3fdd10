"""Frames of a run, with the energy, the entropy and the defect of the energy balance at each."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from metrigen.errors import SpecError
from metrigen.ir.interpreter import run
from metrigen.simulate.engines import Engine, Fields
from metrigen.simulate.given import coordinates, values
from metrigen.simulate.model import Model
from metrigen.spec.symbols import t


@dataclass(frozen=True)
class Trajectory:
    """n frames: times (n,); fields (n, C, *S); energy, entropy and balance (n,), None where there is none.

    balance  (E(after) - E(before))/dt - dE/dt of the equations halfway, over the step that follows a frame (for the
             last frame the step before it)
    """

    times: np.ndarray
    fields: Mapping[str, np.ndarray]
    energy: np.ndarray
    entropy: np.ndarray | None
    balance: np.ndarray | None

    def curves(self) -> dict[str, np.ndarray]:
        """Name -> (n,) of what there is."""
        found = {"energy": self.energy, "entropy": self.entropy, "balance": self.balance}
        return {name: curve for name, curve in found.items() if curve is not None}


class Watch:
    """Sums over the sites of a state: energy, entropy, power."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._programs = model.layer.programs

    def has(self, name: str) -> bool:
        return name in self._programs

    def total(self, name: str, state: Fields, time: float) -> float:
        """The sum of a density over sites and channels, times the volume of a site."""
        model, program = self._model, self._programs[name]
        known = coordinates(model.place) | {t.name: time}
        driven = {n: values(n, text, known) + np.zeros(model.shape) for n, text in model.driven.items()}
        given = {**model.fixed, "dt": np.asarray(model.dt), t.name: np.asarray(time), **driven, **state}
        (density,) = run(program, given, incidence=model.place.incidence).values()
        return float(np.broadcast_to(density, model.shape).sum()) * model.place.volume


@np.errstate(all="ignore")  # what is not finite is refused, with its step
def trajectory(
    model: Model, engine: Engine, steps: int, every: int, seed: int, progress: Callable[[int], None]
) -> Trajectory:
    """Take the steps and keep every so many states, the start and the last among them. Raises SpecError for a state
    that is not finite, which names the step."""
    watch, rng = Watch(model), np.random.default_rng(seed + 1)
    noisy = model.layer.lowered.dynamics.noise
    state: Fields = dict(model.start)
    kept, times, balance = [state], [0.0], []

    def advance(before: Fields, first: int, count: int) -> Fields:
        drawn = {field: rng.standard_normal((*model.shape[:2], count, *model.shape[2:])) for field in noisy}
        after = engine.advance(before, first, count, drawn)
        for name, x in after.items():
            if not np.isfinite(x).all():
                raise SpecError(
                    f"{name} is not finite by step {first + count}", part="integrator",
                    why=f"dt = {model.dt:g}; `metrigen show` prints the step limit, where one is known",
                    fix="a smaller step (--dt), or a start with a smaller amplitude",
                )  # fmt: skip
        progress(count)
        return after

    watched = watch.has("power") and not noisy
    for first in range(0, steps, every):
        count = min(every, steps - first)
        after = advance(state, first, 1)
        balance += [_defect(watch, model, state, after, first)] if watched else []
        state = advance(after, first + 1, count - 1) if count > 1 else after
        kept.append(state)
        times.append((first + count) * model.dt)
    balance += balance[-1:]
    fields = {name: np.concatenate([frame[name] for frame in kept]) for name in model.start}

    def curve(name: str) -> np.ndarray:
        return np.array([watch.total(name, frame, time) for frame, time in zip(kept, times, strict=True)])

    entropy = curve("entropy") if watch.has("entropy") else None
    return Trajectory(np.array(times), fields, curve("energy"), entropy, np.array(balance) if watched else None)


def _defect(watch: Watch, model: Model, before: Fields, after: Fields, step: int) -> float:
    """The defect of the energy balance of one step."""
    begin, dt = step * model.dt, model.dt
    gained = watch.total("energy", after, begin + dt) - watch.total("energy", before, begin)
    middle = {name: (before[name] + after[name]) / 2 for name in before}
    return gained / dt - watch.total("power", middle, begin + dt / 2)


def frames_file(found: Trajectory, about: Mapping[str, object]) -> bytes:
    """An .npz of the frames: t, the fields (n, C, *S), energy, entropy and balance, and ``about`` as JSON; one that has
    the name of a field gets an underscore."""
    stream = io.BytesIO()
    own: dict[str, Any] = {"t": found.times, "about": np.array(json.dumps(about)), **found.curves()}
    own = {f"{name}_" if name in found.fields else name: x for name, x in own.items()}
    np.savez_compressed(stream, **{**own, **found.fields})
    return stream.getvalue()
