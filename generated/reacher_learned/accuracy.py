# Part of every package that metrigen 0.1.0 emits. Do not edit.
"""Whether the step of a call is fine enough: its error by a step of half the length, and the step for a tolerance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from .arguments import as_count
from .base import exact
from .state import from_state

LONGEST = 2.0  # times its own length, the longest step that is suggested: of longer ones the two runs say nothing
SHORTEST = 0.1
MARGIN = 0.9


class StepCheck(NamedTuple):
    """What ``check_step`` found of one call; numbers are those of the sample that is worst.

    error      field -> |error of the field after the call| / |the field|, of the larger of its start and its end
    drift      |energy gained - power of the equations, over all steps| / |the largest energy|: what should be kept.
               The power is taken at the mean of the two states of a step: zero where the energy is conserved, and
               else of the second order in dt by itself
    dt         the longest step that is within ``tolerance`` in every field, at most twice the one that was tried
    steps      how many of the steps that were tried the call took, each of length ``tried``
    """

    error: dict[str, float]
    drift: float
    dt: float
    tolerance: float
    steps: int
    tried: float
    order: int

    @property
    def fine(self) -> bool:
        """Whether every field is within the tolerance."""
        return max(self.error.values()) <= self.tolerance

    def __repr__(self) -> str:
        worst = ", ".join(f"{name} {x:.1e}" for name, x in self.error.items())
        end = f"within {self.tolerance:g}" if self.fine else f"not within {self.tolerance:g}"
        return (
            f"{self.steps} steps of {self.tried:g}, order {self.order}: relative error {worst}: {end}; "
            f"energy balance off by {self.drift:.1e}; suggested dt={self.dt:.3g}"
        )


class Accuracy:
    """``check_step`` of a layer that takes steps.

    ORDER  of its method: errors fall by 2^ORDER where the step is halved
    """

    ORDER: ClassVar[int]
    FREE: ClassVar[bool]
    TIMED: ClassVar[bool]
    FIELDS: ClassVar[tuple[str, ...]]
    DRIVEN: ClassVar[tuple[str, ...]]

    # What the layer has beside this class; without values, so that those of the layer are found.
    _steps: int
    dt: Any
    forward: Callable[..., Any]
    energy: Callable[..., Tensor]
    balance_residual: Callable[..., Tensor]
    _bound: Callable[..., tuple[dict[str, Any], dict[str, Any]]]

    @property
    def steps(self) -> int:
        """The steps of a call that says none, 0 or more; may be set later. Setting it raises ValueError."""
        return self._steps

    @steps.setter
    def steps(self, value: int) -> None:
        self._steps = as_count(value, "steps", 0)

    @exact
    @from_state
    def check_step(
        self, /, *fields: Any, tolerance: float = 1e-3, steps: int | None = None, dt: float | Tensor | None = None,
        t0: float | Tensor = 0.0, **given: Any,
    ) -> StepCheck:  # fmt: skip
        """The error of a call from a state, by Richardson: the call is taken with K steps of dt and 2 K of dt/2, and
        2^p/(2^p - 1) of the difference is the error of the first, p the order. It holds where dt is small enough
        that errors fall by 2^p, which an error far below one is a sign of. Driven inputs hold over both halves of
        their step. No gradients are recorded.

        At a temperature the error is that of the equations without noise, dz = (J dH - M dH + T div M) dt: every number
        of the noise is its mean, zero. Two draws would differ by their paths, whatever the step. Where M depends on the
        state, ``drift`` holds the work of T div M as well.

        tolerance  relative error of every field for which a step is suggested
        fields, steps, dt, t0, and the inputs as ``forward`` takes them
        Raises ValueError where the time step is learned, TypeError for noise that is handed in."""
        if not self.FREE:
            raise ValueError(
                f"the time step of {type(self).__name__} is learned, so no call takes half of it: check a layer of "
                "the same spec with a number, integrator=...(steps=, dt=0.1)"
            )
        if not tolerance > 0:
            raise ValueError(f"tolerance={tolerance!r} must be positive")
        named, inputs = self._bound(fields, given)
        driven = {name: inputs[name] for name in self.DRIVEN}
        moving = [x.shape[2] for x in driven.values() if isinstance(x, Tensor) and x.dim() > 2 and x.shape[2] > 1]
        count = moving[0] if moving and steps is None else as_count(self.steps if steps is None else steps, "steps", 1)
        length = self.dt if dt is None else dt
        with torch.no_grad():
            return self._compared(named, inputs, count, length, t0, float(tolerance))

    def _compared(
        self, fields: Mapping[str, Any], inputs: Mapping[str, Any], count: int, dt: Any, t0: Any, tolerance: float
    ) -> StepCheck:
        """Both calls, and what is made of them. Raises ValueError where there is no sample."""
        end = self._after(fields, inputs, count, dt, t0)  # which takes inputs or refuses them
        if not len(getattr(end, self.FIELDS[0])):
            raise ValueError("check_step() needs a sample: the fields are a batch of none")
        start = self._after(fields, self._at(inputs, 0), 0, dt, t0)
        halves = {n: x.repeat_interleave(2, 2) if n in self.DRIVEN and x.shape[2] > 1 else x for n, x in inputs.items()}
        fine = self._after(fields, halves, 2 * count, dt / 2, t0)
        share = 2.0**self.ORDER / (2.0**self.ORDER - 1)
        errors = {}
        for name in self.FIELDS:
            a, b, first = (getattr(z, name) for z in (end, fine, start))
            errors[name] = share * _norm(a - b) / torch.maximum(_norm(first), _norm(b)).clamp_min(_tiny(b))
        worst = torch.stack(list(errors.values())).amax(0)
        factor = MARGIN * (tolerance / worst.clamp_min(_tiny(worst))) ** (1 / self.ORDER)
        suggested = dt * factor.nan_to_num(SHORTEST).clamp(SHORTEST, LONGEST)
        return StepCheck(
            {name: _worst(x) for name, x in errors.items()},
            self._drift(start, inputs, count, dt, t0),
            float(suggested[suggested.abs().argmin()]),
            tolerance,
            count,
            float(dt.abs().max()) if isinstance(dt, Tensor) else abs(dt),
            self.ORDER,
        )

    def _after(self, fields: Mapping[str, Any], inputs: Mapping[str, Any], steps: int, dt: Any, t0: Any) -> Any:
        """The state after steps without noise."""
        given = self._without_noise(fields, inputs, steps)
        return self.forward(**fields, **given, **self._when(t0), steps=steps, dt=dt)

    def _without_noise(self, fields: Mapping[str, Any], inputs: Mapping[str, Any], steps: int) -> Mapping[str, Any]:
        """What a call takes so that it draws none."""
        return inputs

    def _drift(self, state: Any, inputs: Mapping[str, Any], count: int, dt: Any, t0: Any) -> float:
        """The defect of the energy balance, summed over the steps."""
        defects, sizes = list[Tensor](), list[Tensor]()
        for k in range(count):
            given, t = self._at(inputs, k), t0 + k * dt
            fields = {name: getattr(state, name) for name in self.FIELDS}
            after = self._after(fields, given, 1, dt, t)
            read = {n: x.squeeze(2) if n in self.DRIVEN else x for n, x in given.items()}
            residual = self.balance_residual(state, after, dt, **read, **self._when(t, "t"))
            defects.append(residual * dt)
            ends = ((state, t),) if k == 0 else ()
            sizes += [self.energy(z, **read, **self._when(at, "t")).abs() for z, at in (*ends, (after, t + dt))]
            state = after
        largest = torch.stack(sizes).amax(0)
        return _worst(torch.stack(defects).sum(0).abs() / largest.clamp_min(_tiny(largest)))

    def _at(self, inputs: Mapping[str, Any], k: int) -> dict[str, Any]:
        """The inputs of step k, driven ones (B, C, 1, ...)."""
        return {n: x[:, :, k : k + 1] if n in self.DRIVEN and x.shape[2] > 1 else x for n, x in inputs.items()}

    def _when(self, t: Any, name: str = "t0") -> dict[str, Any]:
        """The time as a method takes it that depends on it."""
        return {name: t} if self.TIMED else {}


def _norm(x: Tensor) -> Tensor:
    """|x| of every sample, (B,)."""
    return torch.linalg.vector_norm(x.flatten(1), dim=1)


def _worst(x: Tensor) -> float:
    return float(x.max()) if x.numel() else 0.0


def _tiny(x: Tensor) -> float:
    return torch.finfo(x.dtype).tiny
