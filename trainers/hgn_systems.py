"""Three mechanical systems in closed form, and their frames of 32 x 32 pixels: pendulum, mass on a spring, two bodies.

Everything is exact at any moment, before and after the start as well: no step of ours is in the data. Units: a mass, a
length and a frequency (or the pull of gravity) are 1; a picture is the square [-1, 1]^2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

SIDE = 32  # pixels
BLUR = 0.12  # standard deviation of a spot, of half a picture
STEP = 0.25  # time between two frames
ROUNDS = 6  # of the arithmetic-geometric mean; it doubles its digits in each
NEWTON = 12  # iterations for Kepler's equation

Orbit = Callable[[np.ndarray], np.ndarray]  # moments (T,) -> places (N, T, bodies, 2)


def sn(u: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Jacobi's sine amplitude of modulus 0 < k < 1, by descending Landen transformations.

    Source: Abramowitz and Stegun (1964), 16.4.
    """
    a, b, c = [np.ones_like(k)], [np.sqrt(1 - k**2)], [k]
    for _ in range(ROUNDS):
        a, b, c = (
            [*a, (a[-1] + b[-1]) / 2],
            [*b, np.sqrt(a[-1] * b[-1])],
            [*c, (a[-1] - b[-1]) / 2],
        )
    phase = 2**ROUNDS * a[-1] * u
    for n in range(ROUNDS, 0, -1):
        phase = (phase + np.arcsin(np.clip(c[n] / a[n] * np.sin(phase), -1, 1))) / 2
    sine: np.ndarray = np.sin(phase)
    return sine


def quarter(k: np.ndarray) -> np.ndarray:
    """A quarter of the period of sn: the complete elliptic integral of the first kind, of modulus k."""
    a, b = np.ones_like(k), np.sqrt(1 - k**2)
    for _ in range(ROUNDS):
        a, b = (a + b) / 2, np.sqrt(a * b)
    mean: np.ndarray = np.pi / (2 * a)
    return mean


def pendulum(count: int, rng: np.random.Generator) -> Orbit:
    """theta'' = -sin theta, amplitudes of 0.5 to 2.2 rad: sin(theta/2) = k sn(t + s, k) with k the sine of half the
    amplitude."""
    k = np.sin(rng.uniform(0.5, 2.2, (count, 1)) / 2)
    begun = rng.uniform(0, 1, (count, 1)) * 4 * quarter(k)

    def places(times: np.ndarray) -> np.ndarray:
        theta = 2 * np.arcsin(k * sn(times + begun, k))
        return 0.75 * np.stack((np.sin(theta), -np.cos(theta)), -1)[:, :, None]

    return places


def spring(count: int, rng: np.random.Generator) -> Orbit:
    """x'' = -x on a horizontal line, amplitudes of 0.2 to 0.8."""
    size, begun = rng.uniform(0.2, 0.8, (count, 1)), rng.uniform(0, 2 * np.pi, (count, 1))

    def places(times: np.ndarray) -> np.ndarray:
        x = size * np.cos(times + begun)
        return np.stack((x, np.zeros_like(x)), -1)[:, :, None]

    return places


def two_bodies(count: int, rng: np.random.Generator) -> Orbit:
    """Equal masses on ellipses about their centre, r'' = -r/|r|^3: half axes 0.8 to 1.2, eccentricities up to 0.3.

    Kepler's equation E - e sin E = M is solved by Newton's method.
    """
    axis, e = rng.uniform(0.8, 1.2, (count, 1)), rng.uniform(0, 0.3, (count, 1))
    begun, turn = rng.uniform(0, 2 * np.pi, (2, count, 1))

    def places(times: np.ndarray) -> np.ndarray:
        mean = begun + times * axis**-1.5
        anomaly = mean + e * np.sin(mean)
        for _ in range(NEWTON):
            anomaly = anomaly - (anomaly - e * np.sin(anomaly) - mean) / (1 - e * np.cos(anomaly))
        along, across = axis * (np.cos(anomaly) - e), axis * np.sqrt(1 - e**2) * np.sin(anomaly)
        c, s = np.cos(turn), np.sin(turn)
        half = np.stack((c * along - s * across, s * along + c * across), -1) / 2
        return np.stack((half, -half), 2)

    return places


@dataclass(frozen=True)
class System:
    """title of tables; orbits of a number of starts; how bright each body is."""

    title: str
    orbits: Callable[[int, np.random.Generator], Orbit]
    bright: tuple[float, ...]


SYSTEMS = {
    "pendulum": System("pendulum", pendulum, (1.0,)),
    "spring": System("mass on a spring", spring, (1.0,)),
    "bodies": System("two bodies", two_bodies, (1.0, 0.5)),
}


def rendered(places: np.ndarray, bright: tuple[float, ...]) -> Tensor:
    """Frames (N, T, SIDE^2) in float32, rows from the top, of places (N, T, bodies, 2): a round spot a body.

    A spot is the product of its two profiles; where spots meet, the brighter one is seen.
    """
    middle = (np.arange(SIDE) + 0.5) * 2 / SIDE - 1
    profiles = np.exp(-((places[..., None] - middle) ** 2) / (2 * BLUR**2)).astype(np.float32)  # (..., 2, SIDE)
    columns, rows = profiles[:, :, :, 0], profiles[:, :, :, 1, ::-1]
    spots = np.asarray(bright, np.float32)[:, None, None] * rows[..., :, None] * columns[..., None, :]
    return torch.from_numpy(spots.max(2).reshape(*places.shape[:2], SIDE * SIDE))


def frames_of(system: System, orbit: Orbit, moments: np.ndarray) -> Tensor:
    """Frames (N, T, SIDE^2) at moments (T,), counted in frames and not whole where time goes slower."""
    return rendered(orbit(STEP * moments), system.bright)
