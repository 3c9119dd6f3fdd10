"""Densities on the plane, each a mixture of round Gaussians: drawn from, and known at every point.

    p(x) = mean_j N(x; c_j, s_j^2)        c_j on points, arcs or arms, closer together than s_j

so that what a model misses is not its nats alone but these less the nats of the density itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

NODES = 256  # of an arc, an arm or a ring


@dataclass(frozen=True)
class Mixture:
    """centres (n, 2) and widths (n,) of equally likely Gaussians."""

    centres: np.ndarray
    widths: np.ndarray

    def draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """(count, 2)."""
        chosen = rng.integers(len(self.centres), size=count)
        return self.centres[chosen] + self.widths[chosen, None] * rng.normal(size=(count, 2))

    def log_density(self, x: np.ndarray) -> np.ndarray:
        """log p of points (N, 2), in nats, (N,)."""
        square = ((x[:, None] - self.centres) ** 2).sum(-1) / self.widths**2
        terms = -square / 2 - np.log(2 * math.pi * self.widths**2) - math.log(len(self.centres))
        most = terms.max(axis=1)
        return np.asarray(most + np.log(np.exp(terms - most[:, None]).sum(axis=1)))


def _polar(radius: np.ndarray, angle: np.ndarray) -> np.ndarray:
    return np.stack((radius * np.cos(angle), radius * np.sin(angle)), axis=-1)


def moons() -> Mixture:
    """Two half circles that reach into one another."""
    angle = (np.arange(NODES) + 0.5) * math.pi / NODES
    upper = _polar(np.full(NODES, 1.5), angle) + np.array([-0.75, -0.375])
    return Mixture(np.concatenate((upper, -upper)), np.full(2 * NODES, 0.12))


def gaussians() -> Mixture:
    """Eight on a circle."""
    return Mixture(_polar(np.full(8, 2.0), np.arange(8) * math.pi / 4), np.full(8, 0.2))


def pinwheel() -> Mixture:
    """Five arms that bend, wider towards their ends."""
    radius = np.tile(np.linspace(0.5, 2.4, NODES), 5)
    angle = np.repeat(np.arange(5) * 2 * math.pi / 5, NODES) + 0.7 * radius
    return Mixture(_polar(radius, angle), 0.06 + 0.05 * radius)


def rings() -> Mixture:
    """Two circles around the origin: no rotation changes the density."""
    angle = np.arange(NODES) * 2 * math.pi / NODES
    centres = np.concatenate([_polar(np.full(NODES, radius), angle) for radius in (1.0, 2.0)])
    return Mixture(centres, np.full(2 * NODES, 0.12))


DENSITIES: dict[str, Callable[[], Mixture]] = {
    "moons": moons, "gaussians": gaussians, "pinwheel": pinwheel, "rings": rings
}  # fmt: skip
