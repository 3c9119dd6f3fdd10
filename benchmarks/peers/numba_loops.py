"""numba: parallel loops by hand. All steps of a plane before the next plane; on one plane, rows in parallel a step.

Forward only: numba differentiates nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numba
import numpy as np
from numba import njit, prange

from benchmarks.contender import Contender, labels
from benchmarks.peers.numpy_functions import softplus
from benchmarks.races import Array, Race

NAME = "numba"
GRADIENTS = False
KINDS = ("evolve", "block", "whole", "poisson", "readout")


def version() -> str:
    return f"numba {numba.__version__}"


@njit(fastmath=True, inline="always")
def _row(phi, out, pi, i, up, down, c2, m2, lam, decay, half, drift):  # type: ignore[no-untyped-def]
    """One row of a step, phi -> out; the two ends wrap, the middle has no branch."""
    w = phi.shape[1]
    middle = m2 + np.float32(4) * c2
    for j in range(1, w - 1):
        q = phi[i, j]
        around = phi[up, j] + phi[down, j] + phi[i, j - 1] + phi[i, j + 1]
        kick = half * (q * (middle + lam * q * q) - c2 * around)
        p = decay * (pi[i, j] - kick) - kick
        pi[i, j] = p
        out[i, j] = q + drift * p
    for j in (0, w - 1):
        q = phi[i, j]
        left, right = (w - 1 if j == 0 else j - 1), (0 if j == w - 1 else j + 1)
        around = phi[up, j] + phi[down, j] + phi[i, left] + phi[i, right]
        kick = half * (q * (middle + lam * q * q) - c2 * around)
        p = decay * (pi[i, j] - kick) - kick
        pi[i, j] = p
        out[i, j] = q + drift * p


@njit(parallel=True, fastmath=True)
def _planes(phi, pi, c2, m2, lam, decay, steps, dt, out, momenta):  # type: ignore[no-untyped-def]
    """phi, pi (B, C, H, W): all steps of a plane in the cache of one thread."""
    b, c, h, w = phi.shape
    half = np.float32(0.5) * dt
    for plane in prange(b * c):
        n, k = plane // c, plane % c
        p = momenta[n, k]
        p[:] = pi[n, k]
        old, new = phi[n, k] + half * p, np.empty((h, w), np.float32)
        for s in range(steps):
            drift = half if s == steps - 1 else dt
            for i in range(h):
                up, down = (h - 1 if i == 0 else i - 1), (0 if i == h - 1 else i + 1)
                _row(old, new, p, i, up, down, c2[k], m2[k], lam[k], decay[k], half, drift)
            old, new = new, old
        out[n, k] = old


@njit(parallel=True, fastmath=True)
def _sweep(old, new, p, c2, m2, lam, decay, half, drift):  # type: ignore[no-untyped-def]
    """One step of one large plane, rows in parallel."""
    h = old.shape[0]
    for i in prange(h):
        up, down = (h - 1 if i == 0 else i - 1), (0 if i == h - 1 else i + 1)
        _row(old, new, p, i, up, down, c2, m2, lam, decay, half, drift)


@njit(parallel=True, fastmath=True)
def _tensor(phi, pi, c2, m2, lam, out):  # type: ignore[no-untyped-def]
    """out (B, 6 C, H, W): T00, T01, T02, T11, T12, T22 of every plane in one pass."""
    b, c, h, w = phi.shape
    quarter, half = np.float32(0.25), np.float32(0.5)
    for plane in prange(b * c):
        n, k = plane // c, plane % c
        q, p = phi[n, k], pi[n, k]
        for i in range(h):
            up, down = (h - 1 if i == 0 else i - 1), (0 if i == h - 1 else i + 1)
            for j in range(w):
                left, right = (w - 1 if j == 0 else j - 1), (0 if j == w - 1 else j + 1)
                f, g = q[i, j], p[i, j]
                ax, bx, ay, by = q[down, j] - f, f - q[up, j], q[i, right] - f, f - q[i, left]
                sx = quarter * c2[k] * (ax * ax + bx * bx)
                sy = quarter * c2[k] * (ay * ay + by * by)
                kinetic = half * g * g
                potential = f * f * (half * m2[k] + quarter * lam[k] * f * f)
                out[n, k, i, j] = kinetic + sx + sy + potential
                out[n, c + k, i, j] = -quarter * (ax * (g + p[down, j]) + bx * (g + p[up, j]))
                out[n, 2 * c + k, i, j] = -quarter * (ay * (g + p[i, right]) + by * (g + p[i, left]))
                out[n, 3 * c + k, i, j] = sx - sy + kinetic - potential
                out[n, 4 * c + k, i, j] = quarter * c2[k] * (ax + bx) * (ay + by)
                out[n, 5 * c + k, i, j] = sy - sx + kinetic - potential


@njit(fastmath=True, inline="always")
def _operator(p, ap, down, right, m2, i):  # type: ignore[no-untyped-def]
    """Row i of A p; down and right are the edge weights, zero past the last site."""
    h, w = p.shape
    above = i - 1 if i > 0 else 0
    below = i + 1 if i < h - 1 else i
    for j in range(w):
        before = j - 1 if j > 0 else 0
        after = j + 1 if j < w - 1 else j
        v = p[i, j]
        flux = down[i, j] * (v - p[below, j]) + down[above, j] * (v - p[above, j])
        flux += right[i, j] * (v - p[i, after]) + right[i, before] * (v - p[i, before])
        ap[i, j] = m2[i, j] * v + flux


@njit(fastmath=True)
def _weights(kappa, m2):  # type: ignore[no-untyped-def]
    h, w = kappa.shape
    down, right, inverse = np.zeros_like(kappa), np.zeros_like(kappa), np.empty_like(kappa)
    two = np.float32(2)
    for i in range(h):
        for j in range(w):
            if i < h - 1:
                down[i, j] = two * kappa[i, j] * kappa[i + 1, j] / (kappa[i, j] + kappa[i + 1, j])
            if j < w - 1:
                right[i, j] = two * kappa[i, j] * kappa[i, j + 1] / (kappa[i, j] + kappa[i, j + 1])
    for i in range(h):
        for j in range(w):
            d = m2[i, j] + down[i, j] + right[i, j]
            if i > 0:
                d += down[i - 1, j]
            if j > 0:
                d += right[i, j - 1]
            inverse[i, j] = np.float32(1) / d
    return down, right, inverse


@njit(parallel=True, fastmath=True)
def _solve_many(kappa, m2, s, u, rtol, most):  # type: ignore[no-untyped-def]
    """Conjugate gradients with Jacobi preconditioning, a grid (B, H, W) a thread."""
    h, w = s.shape[1:]
    for n in prange(s.shape[0]):
        down, right, inverse = _weights(kappa[n], m2[n])
        r = s[n].copy()
        p, x, ap = inverse * r, u[n], np.empty((h, w), np.float32)
        x[:] = 0
        rz, stop = np.sum(r * p), rtol * rtol * np.sum(r * r)
        for _ in range(most):
            curvature = np.float32(0)
            for i in range(h):
                _operator(p, ap, down, right, m2[n], i)
                for j in range(w):
                    curvature += p[i, j] * ap[i, j]
            alpha = rz / curvature
            rr, new = np.float32(0), np.float32(0)
            for i in range(h):
                for j in range(w):
                    x[i, j] += alpha * p[i, j]
                    v = r[i, j] - alpha * ap[i, j]
                    r[i, j] = v
                    rr += v * v
                    new += v * v * inverse[i, j]
            if rr <= stop:
                break
            beta = new / rz
            rz = new
            for i in range(h):
                for j in range(w):
                    p[i, j] = inverse[i, j] * r[i, j] + beta * p[i, j]


@njit(parallel=True, fastmath=True)
def _solve_one(kappa, m2, s, x, rtol, most):  # type: ignore[no-untyped-def]
    """The same for one large grid (H, W), rows in parallel."""
    h, w = s.shape
    down, right, inverse = _weights(kappa, m2)
    r, ap = s.copy(), np.empty((h, w), np.float32)
    p = inverse * r
    x[:] = 0
    rz, stop = np.sum(r * p), rtol * rtol * np.sum(r * r)
    for _ in range(most):
        curvature = np.float32(0)
        for i in prange(h):
            _operator(p, ap, down, right, m2, np.int64(i))
            part = np.float32(0)
            for j in range(w):
                part += p[i, j] * ap[i, j]
            curvature += part
        alpha = rz / curvature
        rr, new = np.float32(0), np.float32(0)
        for i in prange(h):
            one, two = np.float32(0), np.float32(0)
            for j in range(w):
                x[i, j] += alpha * p[i, j]
                v = r[i, j] - alpha * ap[i, j]
                r[i, j] = v
                one += v * v
                two += v * v * inverse[i, j]
            rr += one
            new += two
        if rr <= stop:
            break
        beta = new / rz
        rz = new
        for i in prange(h):
            for j in range(w):
                p[i, j] = inverse[i, j] * r[i, j] + beta * p[i, j]


def _evolve(race: Race) -> Callable[[], tuple[Array, ...]]:
    phi, pi = race.inputs["phi"], race.inputs["pi"]
    raw = [race.inputs[f"raw_{name}"] for name in ("c2", "m2", "lam", "gamma")]
    dt = np.float32(race.dt)
    half = np.float32(0.5 * race.dt)

    def planes() -> tuple[Array, ...]:
        c2, m2, lam, gamma = (softplus(x) for x in raw)
        out, momenta = np.empty_like(phi), np.empty_like(pi)
        _planes(phi, pi, c2, m2, lam, np.exp(-gamma * dt), race.steps, dt, out, momenta)
        return out, momenta

    def one_plane() -> tuple[Array, ...]:
        c2, m2, lam, gamma = (softplus(x)[0] for x in raw)
        p = pi[0, 0].copy()
        old = phi[0, 0] + half * p
        new = np.empty_like(old)
        for s in range(race.steps):
            _sweep(old, new, p, c2, m2, lam, np.exp(-gamma * dt), half, half if s == race.steps - 1 else dt)
            old, new = new, old
        return old[None, None], p[None, None]

    return one_plane if phi.shape[:2] == (1, 1) else planes


def _readout(race: Race) -> Callable[[], tuple[Array, ...]]:
    phi, pi = race.inputs["phi"], race.inputs["pi"]
    raw = [race.inputs[f"raw_{name}"] for name in ("c2", "m2", "lam")]
    b, c, h, w = phi.shape

    def call() -> tuple[Array, ...]:
        out = np.empty((b, 6 * c, h, w), np.float32)
        _tensor(phi, pi, *(softplus(x) for x in raw), out)
        return (out,)

    return call


def _poisson(race: Race) -> Callable[[], tuple[Array, ...]]:
    kappa, m2, s = (race.inputs[name][:, 0] for name in ("kappa", "m2", "s"))
    rtol, most = np.float32(race.options["rtol"]), race.options["max_iter"]

    def call() -> tuple[Array, ...]:
        u = np.empty_like(s)
        if len(s) == 1:
            _solve_one(kappa[0], m2[0], s[0], u[0], rtol, most)
        else:
            _solve_many(kappa, m2, s, u, rtol, most)
        return (u[:, None],)

    return call


def contenders(race: Race, device: str) -> tuple[Contender, ...]:
    makers = {"evolve": _evolve, "readout": _readout, "poisson": _poisson}
    if race.backward or device != "cpu" or race.kind not in makers:
        return ()

    def numbers(result: Any) -> Mapping[str, Array]:
        return dict(zip(labels(race), result, strict=True))

    return (Contender(f"{NAME} (parallel)", NAME, False, makers[race.kind](race), numbers),)
