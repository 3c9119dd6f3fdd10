"""The driven systems of ``benchmarks.driven`` by solvers of ODEs, with the midpoint rule, of order 2."""

from __future__ import annotations

import importlib.util
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

Arrays = dict[str, np.ndarray]


class TorchdiffeqSide:
    """torchdiffeq on a grid of the steps, differentiated through them."""

    name: ClassVar[str] = "torchdiffeq"

    @staticmethod
    def installed() -> bool:
        return importlib.util.find_spec("torchdiffeq") is not None

    def __init__(self, race: str, arrays: Arrays, steps: int, dt: float) -> None:
        from torchdiffeq import odeint

        self.race, self.arrays, self.steps, self.dt, self.odeint = race, arrays, steps, dt, odeint

    def __call__(self, backward: bool) -> tuple[Tensor, ...]:
        given = {name: torch.from_numpy(x).requires_grad_(backward) for name, x in self.arrays.items()}
        channels = (-1, 1, 1) if self.race == "W6" else (-1,)
        starts = (0.5, 0.2) if self.race == "W6" else (0.1, 0.3, 0.7)
        learned = [torch.full((self.arrays["q"].shape[1],), v).requires_grad_(backward) for v in starts]
        a, b, *more = (x.reshape(channels) for x in learned)

        def wave(time: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            q, p = state
            k = min(int(float(time) / self.dt + 1e-3), self.steps - 1)
            lap = sum(q.roll(s, axis) for axis in (2, 3) for s in (1, -1)) - 4 * q
            return p, lap - a * q - q**3 - b * p + given["J"][:, :, k]

        def pendulum(time: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            q, p = state
            return p, -q.sin() - a * p + b * (more[0] * time).cos()

        wanted = self.dt * torch.arange(self.steps + 1, dtype=torch.float32)
        grid = wanted if self.race == "W6" else wanted[[0, -1]]
        with torch.set_grad_enabled(backward):
            rates = wave if self.race == "W6" else pendulum
            options = {"grid_constructor": lambda *_: wanted} if self.race == "W7" else {}
            found = self.odeint(rates, (given["q"], given["p"]), grid, method="midpoint", options=options)
            ends = tuple(x[1:].movedim(0, 2) if self.race == "W6" else x[-1] for x in found)
            if backward:
                torch.autograd.grad(sum(x.square().sum() for x in ends), [*given.values(), *learned])
        return ends


class DiffraxSide:
    """diffrax with a constant step and its default adjoint, compiled."""

    name: ClassVar[str] = "diffrax"

    @staticmethod
    def installed() -> bool:
        return importlib.util.find_spec("diffrax") is not None

    def __init__(self, race: str, arrays: Arrays, steps: int, dt: float) -> None:
        import diffrax
        import jax
        import jax.numpy as jnp

        def wave(time: Any, state: Any, given: Any) -> Any:
            q, p = state
            k = jnp.minimum(jnp.floor(time / dt + 1e-3).astype(int), steps - 1)
            a, b = (x[:, None, None] for x in given["learned"])
            lap = sum(jnp.roll(q, s, axis) for axis in (2, 3) for s in (1, -1)) - 4 * q
            return p, lap - a * q - q**3 - b * p + given["J"][:, :, k]

        def pendulum(time: Any, state: Any, given: Any) -> Any:
            q, p = state
            g, size, w = given["learned"]
            return p, -jnp.sin(q) - g * p + size * jnp.cos(w * time)

        wanted = diffrax.SaveAt(ts=dt * jnp.arange(1, steps + 1)) if race == "W6" else diffrax.SaveAt(t1=True)

        def solve(given: Any) -> Any:
            found = diffrax.diffeqsolve(
                diffrax.ODETerm(wave if race == "W6" else pendulum), diffrax.Midpoint(), 0.0, steps * dt, dt,
                (given["q"], given["p"]), given, saveat=wanted, max_steps=steps + 1,
                stepsize_controller=diffrax.ConstantStepSize(),
            ).ys  # fmt: skip
            return tuple(jnp.moveaxis(x, 0, 2) if race == "W6" else x[0] for x in found)

        starts = (0.5, 0.2) if race == "W6" else (0.1, 0.3, 0.7)
        learned = [jnp.full((arrays["q"].shape[1],), v, jnp.float32) for v in starts]
        self.given = {**{name: jnp.asarray(x) for name, x in arrays.items()}, "learned": learned}
        self.forward = jax.jit(solve)
        self.gradient = jax.jit(jax.grad(lambda given: sum((x**2).sum() for x in solve(given))))
        self.wait = jax.block_until_ready

    def __call__(self, backward: bool) -> tuple[np.ndarray, ...]:
        if backward:
            self.wait(self.gradient(self.given))
            return ()
        return tuple(map(np.asarray, self.wait(self.forward(self.given))))
