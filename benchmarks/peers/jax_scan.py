"""JAX: jax.lax.associative_scan over complex numbers and jax.lax.scan over the tokens, each in one jitted function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.contender import Contender, labels
from benchmarks.races import Array, Race

NAME = "JAX associative scan"
LOOP = "JAX scan"
GRADIENTS = True
KINDS = ("scan",)


def version() -> str:
    return f"jax {jax.__version__} (scans)"


def _pairs(given: Mapping[str, Any]) -> tuple[Any, Any]:
    """a = exp(-lam - i theta) of q + i p, and b = (1 - a) f."""
    a = jnp.exp(-jax.lax.complex(given["lam"], given["theta"]))
    return a, (1 - a) * jax.lax.complex(given["f_q"], given["f_p"])


def _associative(given: Mapping[str, Any]) -> tuple[Any, Any]:
    def combine(first: Any, second: Any) -> Any:
        return first[0] * second[0], second[0] * first[1] + second[1]

    _, x = jax.lax.associative_scan(combine, _pairs(given), axis=1)
    return x.real, x.imag


def _loop(given: Mapping[str, Any]) -> tuple[Any, Any]:
    a, b = (jnp.swapaxes(x, 0, 1) for x in _pairs(given))

    def step(x: Any, at: Any) -> Any:
        x = at[0] * x + at[1]
        return x, x

    _, x = jax.lax.scan(step, jnp.zeros_like(a[0]), (a, b), unroll=8)
    x = jnp.swapaxes(x, 0, 1)
    return x.real, x.imag


def contenders(race: Race, device: str) -> tuple[Contender, ...]:
    return tuple(
        _one(race, name, run, device) for name, run in ((NAME, _associative), (LOOP, _loop))
    )  # fmt: skip


def _one(race: Race, name: str, run: Callable[..., Any], device: str) -> Contender:
    on = jax.devices("gpu" if device == "cuda" else "cpu")[0]
    given = {key: jax.device_put(x, on) for key, x in race.inputs.items()}
    cotangents = tuple(jax.device_put(x, on) for x in race.cotangents)

    def both(values: Mapping[str, Any]) -> tuple[Any, ...]:
        out, pull = jax.vjp(run, values)
        (grads,) = pull(cotangents)
        return (*out, *(grads[key] for key in race.wanted))

    compiled = jax.jit(both if race.backward else run)

    def call() -> Any:
        return jax.block_until_ready(compiled(given))

    def numbers(result: Any) -> Mapping[str, Array]:
        return {label: np.asarray(x) for label, x in zip(labels(race), result, strict=True)}

    return Contender(name, name, True, call, numbers)
