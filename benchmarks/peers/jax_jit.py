"""JAX: one jitted function a race, gradients by jax.vjp inside it; the Poisson race takes jax.scipy's own cg."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.contender import Contender, labels
from benchmarks.races import BLOCK, Array, Race

NAME = "JAX"
GRADIENTS = True
KINDS = ("evolve", "block", "whole", "poisson", "readout")
MOST_UNROLLED = 16

Given = Mapping[str, Any]


def version() -> str:
    return f"jax {jax.__version__}"


def _per_channel(raw: Any) -> Any:
    return jax.nn.softplus(raw)[:, None, None]


def _force(phi: Any, c2: Any, m2: Any, lam: Any) -> Any:
    around = jnp.roll(phi, 1, -2) + jnp.roll(phi, -1, -2) + jnp.roll(phi, 1, -1) + jnp.roll(phi, -1, -1)
    return phi * (m2 + 4 * c2 + lam * phi * phi) - c2 * around


def _evolve(given: Given, steps: int, dt: float, mixed: Callable[[Any], Any] | None = None) -> tuple[Any, Any]:
    """Strang steps; with ``mixed`` the friction is split around a rotation of the momenta."""
    c2, m2, lam, gamma = (_per_channel(given[f"raw_{name}"]) for name in ("c2", "m2", "lam", "gamma"))
    decay = jnp.exp(-gamma * (dt if mixed is None else 0.5 * dt))

    def step(state: tuple[Any, Any], drift: float) -> tuple[Any, Any]:
        phi, pi = state
        kick = (0.5 * dt) * _force(phi, c2, m2, lam)
        pi = decay * (pi - kick)
        pi = pi - kick if mixed is None else decay * mixed(pi) - kick
        return phi + drift * pi, pi

    state = (given["phi"] + (0.5 * dt) * given["pi"], given["pi"])
    if steps > MOST_UNROLLED:
        state = jax.lax.fori_loop(0, steps - 1, lambda _, s: step(s, dt), state)
    else:
        for _ in range(steps - 1):
            state = step(state, dt)
    return step(state, 0.5 * dt)


def _rotation(raw: Any, dt: float) -> Any:
    b = (0.25 * dt) * (raw - jnp.swapaxes(raw, 1, 2))
    one = jnp.eye(raw.shape[-1], dtype=raw.dtype)
    return jnp.linalg.solve(one - b, one + b)


def _components(given: Given, phi: Any, pi: Any) -> tuple[Any, ...]:
    """T00, T01, T02, T11, T12, T22."""
    c2, m2, lam = (_per_channel(given[f"raw_{name}"]) for name in ("c2", "m2", "lam"))
    ahead = [jnp.roll(phi, -1, axis) - phi for axis in (-2, -1)]
    behind = [phi - jnp.roll(phi, 1, axis) for axis in (-2, -1)]
    square = [(0.25 * c2) * (a * a + b * b) for a, b in zip(ahead, behind, strict=True)]
    kinetic = 0.5 * pi * pi
    potential = phi * phi * (0.5 * m2 + 0.25 * lam * phi * phi)
    flow = [
        -0.25 * (a * (pi + jnp.roll(pi, -1, axis)) + b * (pi + jnp.roll(pi, 1, axis)))
        for a, b, axis in zip(ahead, behind, (-2, -1), strict=True)
    ]
    t11, t22 = (sign * (square[0] - square[1]) + kinetic - potential for sign in (1, -1))
    t12 = (0.25 * c2) * (ahead[0] + behind[0]) * (ahead[1] + behind[1])
    return kinetic + square[0] + square[1] + potential, *flow, t11, t12, t22


def _block(given: Given, steps: int, dt: float) -> Any:
    r = _rotation(given["raw_B"], dt)

    def mixed(pi: Any) -> Any:
        b, c, h, w = pi.shape
        return jnp.einsum("kij,bkjn->bkin", r, pi.reshape(b, c // BLOCK, BLOCK, h * w)).reshape(pi.shape)

    t00, t01, t02, t11, t12, t22 = _components(given, *_evolve(given, steps, dt, mixed))
    a = jnp.sqrt(jnp.abs(t00) + 0.01)
    return jnp.concatenate((a, t01 / a, t02 / a, (t11 - t22) / (2 * a), t12 / a), 1)


def _whole(given: Given, steps: int, dt: float) -> Any:
    phi, pi = jnp.split(jnp.einsum("oc,bchw->bohw", given["mix_in"], given["x"]), 2, 1)
    return jnp.einsum("oc,bchw->bohw", given["mix_out"], _block({**given, "phi": phi, "pi": pi}, steps, dt))


def _solve(kappa: Any, m2: Any, s: Any, rtol: float, most: int) -> Any:
    """One grid (H, W); cg is differentiated implicitly by JAX."""
    down = 2 * kappa[1:] * kappa[:-1] / (kappa[1:] + kappa[:-1])
    right = 2 * kappa[:, 1:] * kappa[:, :-1] / (kappa[:, 1:] + kappa[:, :-1])

    def apply(u: Any) -> Any:
        x, y = down * (u[1:] - u[:-1]), right * (u[:, 1:] - u[:, :-1])
        divergence = jnp.pad(x, ((0, 1), (0, 0))) - jnp.pad(x, ((1, 0), (0, 0)))
        return m2 * u - divergence - jnp.pad(y, ((0, 0), (0, 1))) + jnp.pad(y, ((0, 0), (1, 0)))

    diagonal = m2 + jnp.pad(down, ((0, 1), (0, 0))) + jnp.pad(down, ((1, 0), (0, 0)))
    diagonal = diagonal + jnp.pad(right, ((0, 0), (0, 1))) + jnp.pad(right, ((0, 0), (1, 0)))
    u, _ = jax.scipy.sparse.linalg.cg(apply, s, tol=rtol, maxiter=most, M=lambda r: r / diagonal)
    return u


def _function(race: Race) -> Callable[[Given], tuple[Any, ...]]:
    k, dt = race.steps, race.dt
    if race.kind == "evolve":
        return lambda given: _evolve(given, k, dt)
    if race.kind == "readout":
        return lambda given: (jnp.concatenate(_components(given, given["phi"], given["pi"]), 1),)
    if race.kind == "block":
        return lambda given: (_block(given, k, dt),)
    if race.kind == "whole":
        return lambda given: (_whole(given, k, dt),)
    solve = jax.vmap(partial(_solve, rtol=race.options["rtol"], most=race.options["max_iter"]))
    return lambda given: (solve(given["kappa"][:, 0], given["m2"][:, 0], given["s"][:, 0])[:, None],)


def contenders(race: Race, device: str) -> tuple[Contender, ...]:
    if device == "cuda" and jax.default_backend() != "gpu":
        return ()
    function = _function(race)
    # Committed inputs decide where a jitted function runs.
    place = jax.devices("gpu" if device == "cuda" else "cpu")[0]
    given = {name: jax.device_put(array, place) for name, array in race.inputs.items()}
    cotangents = tuple(jax.device_put(array, place) for array in race.cotangents)

    def backward(given: Given, cotangents: tuple[Any, ...]) -> tuple[Any, ...]:
        out, pull = jax.vjp(function, given)
        (grads,) = pull(tuple(cotangents))
        return *out, *(grads[name] for name in race.wanted)

    if race.backward:
        compiled = partial(jax.jit(backward), given, cotangents)
    else:
        compiled = partial(jax.jit(function), given)

    def numbers(result: Any) -> Mapping[str, Array]:
        return {label: np.asarray(x) for label, x in zip(labels(race), result, strict=True)}

    return (Contender(f"{NAME} (jit)", NAME, True, lambda: jax.block_until_ready(compiled()), numbers),)
