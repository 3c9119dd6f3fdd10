"""numba: a loop over the tokens by hand, samples in parallel, channels innermost. Forward only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numba
import numpy as np
from numba import njit, prange

from benchmarks.contender import Contender, labels
from benchmarks.races import Array, Race

NAME = "numba scan"
GRADIENTS = False
KINDS = ("scan",)


def version() -> str:
    return f"numba {numba.__version__} (scan)"


@njit(parallel=True, fastmath=True)
def _scan(theta, lam, f_q, f_p, q, p):  # type: ignore[no-untyped-def]
    b, t, c = theta.shape
    for n in prange(b):
        x, y = np.zeros(c, np.float32), np.zeros(c, np.float32)
        for s in range(t):
            for k in range(c):
                decay, angle = np.exp(-lam[n, s, k]), theta[n, s, k]
                cosine, sine = decay * np.cos(angle), decay * np.sin(angle)
                u, v = x[k] - f_q[n, s, k], y[k] - f_p[n, s, k]
                x[k] = f_q[n, s, k] + cosine * u + sine * v
                y[k] = f_p[n, s, k] - sine * u + cosine * v
                q[n, s, k] = x[k]
                p[n, s, k] = y[k]


def contenders(race: Race, device: str) -> tuple[Contender, ...]:
    if race.backward or device != "cpu":
        return ()
    numba.set_num_threads(min(race.options["threads"], numba.config.NUMBA_NUM_THREADS))

    def call() -> Any:
        out = np.empty_like(race.inputs["theta"]), np.empty_like(race.inputs["theta"])
        _scan(*(race.inputs[name] for name in ("theta", "lam", "f_q", "f_p")), *out)
        return out

    def numbers(result: Any) -> Mapping[str, Array]:
        return dict(zip(labels(race), result, strict=True))

    return (Contender(NAME, NAME, False, call, numbers),)
