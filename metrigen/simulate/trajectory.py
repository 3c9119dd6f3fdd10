"""Frames of a run, with the energy, the entropy and the defect of the energy balance at each."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metrigen.errors import SpecError
from metrigen.ir.interpreter import run
from metrigen.simulate.engines import Engine, Fields
from metrigen.simulate.limit import about_limit
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
        driven = model.driven_at(time)
        given = {**model.fixed, "dt": np.asarray(model.dt), t.name: np.asarray(time), **driven, **state}
        (density,) = run(program, given, incidence=model.place.incidence).values()
        return float(np.broadcast_to(density, model.shape).sum()) * model.place.volume


@np.errstate(all="ignore")  # what is not finite is refused, with its step
def trajectory(
    model: Model, engine: Engine, steps: int, every: int, seed: int, progress: Callable[[int], None]
) -> Trajectory:
    """Take the steps and keep every so many states, the start and the last among them. Raises SpecError for a state, an
    energy, an entropy or a balance that is not finite, which names the first step."""
    watch, rng = Watch(model), np.random.default_rng(seed + 1)
    noisy = model.layer.lowered.dynamics.noise
    watched = watch.has("power") and not noisy
    names = [name for name in ("energy", "entropy") if watch.has(name)]
    state: Fields = dict(model.start)
    kept, times, balance = [state], [0.0], []
    totals = [_totals(watch, names, model, state, 0)]

    def advance(before: Fields, first: int, count: int) -> Fields:
        drawn = {field: rng.standard_normal((*model.shape[:2], count, *model.shape[2:])) for field in noisy}
        after = engine.advance(before, first, count, drawn)
        if _not_finite(after):
            raise _stopped(*_first(engine, before, first, count, drawn), model)
        progress(count)
        return after

    for first in range(0, steps, every):
        count = min(every, steps - first)
        after = advance(state, first, 1)
        balance += [_defect(watch, model, state, after, first)] if watched else []
        state = advance(after, first + 1, count - 1) if count > 1 else after
        kept.append(state)
        times.append((first + count) * model.dt)
        totals.append(_totals(watch, names, model, state, first + count))
    balance += balance[-1:]
    fields = {name: np.concatenate([frame[name] for frame in kept]) for name in model.start}
    curves = {name: np.array([found[k] for found in totals]) for k, name in enumerate(names)}
    return Trajectory(
        np.array(times), fields, curves["energy"], curves.get("entropy"), np.array(balance) if watched else None
    )


def _not_finite(state: Fields) -> str:
    """The first field that is not finite; empty for none."""
    return next((name for name, x in state.items() if not np.isfinite(x).all()), "")


def _first(
    engine: Engine, before: Fields, first: int, count: int, drawn: Mapping[str, np.ndarray]
) -> tuple[str, int, Fields]:
    """The steps once more, one by one: the first field that is not finite, after which step, and the state before."""
    for k in range(count):
        after = engine.advance(before, first + k, 1, {field: noise[:, :, k : k + 1] for field, noise in drawn.items()})
        if name := _not_finite(after):
            return name, first + k + 1, before
        before = after
    raise AssertionError("the same steps end elsewhere")


def _stopped(name: str, step: int, before: Fields, model: Model) -> SpecError:
    """The refusal of a state that is not finite after a step."""
    largest = max(float(np.abs(x).max()) for x in before.values())
    return SpecError(
        f"{name} is not finite at step {step}, t = {step * model.dt:g}", part="integrator", why=about_limit(model),
        witness=f"the largest value of the state before that step is {largest:.3g}",
        fix="a smaller step (--dt), or a start with a smaller amplitude (--set)", see="not-finite",
    )  # fmt: skip


def _finite(name: str, value: float, model: Model, step: int) -> float:
    if np.isfinite(value):
        return value
    fix = "a smaller step (--dt), or a start with a smaller amplitude (--set)" if step else "another start (--set)"
    raise SpecError(
        f"the {name} is not finite by step {step}, t = {step * model.dt:g}", part="integrator",
        why=about_limit(model) if step else "it has no value at the start", witness=f"{name} = {value}", fix=fix,
        see="not-finite",
    )  # fmt: skip


def _totals(watch: Watch, names: Sequence[str], model: Model, state: Fields, step: int) -> list[float]:
    return [_finite(name, watch.total(name, state, step * model.dt), model, step) for name in names]


def _defect(watch: Watch, model: Model, before: Fields, after: Fields, step: int) -> float:
    """The defect of the energy balance of one step."""
    begin, dt = step * model.dt, model.dt
    gained = watch.total("energy", after, begin + dt) - watch.total("energy", before, begin)
    middle = {name: (before[name] + after[name]) / 2 for name in before}
    return _finite("balance", gained / dt - watch.total("power", middle, begin + dt / 2), model, step + 1)


def frames_file(found: Trajectory, about: Mapping[str, object]) -> bytes:
    """An .npz of the frames: t, the fields (n, C, *S), energy, entropy and balance, and ``about`` as JSON; one that has
    the name of a field gets an underscore."""
    stream = io.BytesIO()
    own: dict[str, Any] = {"t": found.times, "about": np.array(json.dumps(about)), **found.curves()}
    own = {f"{name}_" if name in found.fields else name: x for name, x in own.items()}
    np.savez_compressed(stream, **{**own, **found.fields})
    return stream.getvalue()
