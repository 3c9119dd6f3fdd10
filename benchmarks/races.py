"""What is raced: a race is one workload forward, or forward and backward, with its data, its floor and its targets.

Shapes: fields (B, C, H, W), coefficients (C,). Coefficients are given before their softplus, as a layer learns them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

COEFFICIENTS = ("raw_c2", "raw_m2", "raw_lam", "raw_gamma")
BLOCK = 8
EVERY_PEER = ("torch eager", "torch.compile", "JAX", "numba", "pystencils", "Devito")
WITH_GRADIENTS = ("torch eager", "torch.compile", "JAX")
SCANS = ("torch associative scan", "torch.compile chunks", "JAX associative scan", "JAX scan", "numba scan")
# What a target can name besides peers.
FLOOR, BEST = "the floor", "the best peer"


@dataclass(frozen=True)
class Target:
    """``ahead``: at least ``factor`` times faster than each of ``of``; ``within``: at most ``factor`` times ``of``.

    ``BEST`` stands for every peer of the race.
    """

    kind: str
    factor: float
    of: tuple[str, ...]

    def __str__(self) -> str:
        named = ", ".join(self.of)
        return f"{self.factor:g}x ahead of {named}" if self.kind == "ahead" else f"within {self.factor:g}x of {named}"


@dataclass(frozen=True)
class Race:
    """One line-up.

    kind        evolve | block | whole | poisson | readout | scan: what is computed (``metrigen_side`` has the layer)
    inputs      arrays by name; those in ``wanted`` are differentiated in a backward race
    cotangents  one array per output
    moved       bytes that must move: each input read once, each output written once, of each pass
    state       bytes that are touched at the same time; where they fit the last cache, memory is not the bound
    """

    workload: str
    kind: str
    shape: str
    backward: bool
    inputs: Mapping[str, Array]
    cotangents: tuple[Array, ...]
    wanted: tuple[str, ...]
    moved: int
    state: int
    steps: int = 0
    dt: float = 0.1
    peers: tuple[str, ...] = EVERY_PEER
    targets: tuple[Target, ...] = ()
    tolerance: float = 1e-4
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.workload} {'forward+backward' if self.backward else 'forward'}"


def _normal(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> Array:
    return (scale * rng.standard_normal(shape)).astype(np.float32)


def _coefficients(rng: np.random.Generator, channels: int) -> dict[str, Array]:
    return {name: _normal(rng, channels, scale=0.5) for name in COEFFICIENTS}


def evolve(workload: str, b: int, c: int, n: int, steps: int, backward: bool, targets: tuple[Target, ...]) -> Race:
    """K Strang steps of damped phi^4; backward reads the two fields and cotangents again and writes two gradients."""
    rng = np.random.default_rng(0)
    fields = {"phi": _normal(rng, b, c, n, n), "pi": _normal(rng, b, c, n, n)}
    one = fields["phi"].nbytes
    return Race(
        workload, "evolve", f"({b}, {c}, {n}, {n}), {steps} steps", backward,
        {**fields, **_coefficients(rng, c)},
        (_normal(rng, b, c, n, n), _normal(rng, b, c, n, n)),
        ("phi", "pi", *COEFFICIENTS),
        one * (10 if backward else 4), 4 * one,
        steps=steps, peers=WITH_GRADIENTS if backward else EVERY_PEER, targets=targets,
    )  # fmt: skip


def readout(b: int, c: int, n: int, backward: bool, targets: tuple[Target, ...]) -> Race:
    """T^{mu nu}: six components from two fields; backward reads six cotangents and two fields, writes two gradients."""
    rng = np.random.default_rng(1)
    fields = {"phi": _normal(rng, b, c, n, n), "pi": _normal(rng, b, c, n, n)}
    one = fields["phi"].nbytes
    coefficients = {k: v for k, v in _coefficients(rng, c).items() if k != "raw_gamma"}
    return Race(
        "W4 readout", "readout", f"({b}, {c}, {n}, {n})", backward,
        {**fields, **coefficients},
        (_normal(rng, b, 6 * c, n, n),),
        ("phi", "pi", *coefficients),
        one * (18 if backward else 8), 8 * one,
        peers=WITH_GRADIENTS if backward else EVERY_PEER, targets=targets,
    )  # fmt: skip


def block(b: int, c: int, n: int, steps: int, targets: tuple[Target, ...]) -> Race:
    """Coupled steps and the readout of degree one, with gradients: 2 + 5 fields forward, 5 + 2 + 2 backward."""
    rng = np.random.default_rng(2)
    fields = {"phi": _normal(rng, b, c, n, n), "pi": _normal(rng, b, c, n, n)}
    one = fields["phi"].nbytes
    return Race(
        f"W1b block {n}x{n}", "block", f"({b}, {c}, {n}, {n}), {steps} steps", True,
        {**fields, **_coefficients(rng, c), "raw_B": _normal(rng, c // BLOCK, BLOCK, BLOCK)},
        (_normal(rng, b, 5 * c, n, n),),
        ("phi", "pi", *COEFFICIENTS, "raw_B"),
        one * 16, 7 * one,
        steps=steps, peers=WITH_GRADIENTS, targets=targets,
    )  # fmt: skip


def whole(b: int, c: int, n: int, steps: int, targets: tuple[Target, ...]) -> Race:
    """The block between its 1x1 mixes, C -> 2C and 5C -> C, beside a 3x3 convolution with as many parameters.

    Moved: x in and y out forward; y's cotangent and x in, x's gradient out backward.
    """
    rng = np.random.default_rng(3)
    x = _normal(rng, b, c, n, n)
    weights = {
        "mix_in": _normal(rng, 2 * c, c, scale=c**-0.5),
        "mix_out": _normal(rng, c, 5 * c, scale=(5 * c) ** -0.5),
    }
    inputs = {"x": x, **weights, **_coefficients(rng, c), "raw_B": _normal(rng, c // BLOCK, BLOCK, BLOCK)}
    return Race(
        f"W1b whole {n}x{n}", "whole", f"({b}, {c}, {n}, {n}), {steps} steps", True,
        inputs, (_normal(rng, b, c, n, n),), tuple(inputs), x.nbytes * 5, 7 * x.nbytes,
        steps=steps, peers=("torch eager", "torch.compile", "JAX", "3x3 convolution"), targets=targets,
    )  # fmt: skip


def poisson(workload: str, b: int, n: int, backward: bool, targets: tuple[Target, ...]) -> Race:
    """(m2 - div kappa grad) u = s to 1e-6 of |s|; three fields in, one out; backward four in and three out."""
    rng = np.random.default_rng(4)
    inputs = {
        "kappa": rng.uniform(0.5, 1.5, (b, 1, n, n)).astype(np.float32),
        "m2": rng.uniform(0.02, 0.06, (b, 1, n, n)).astype(np.float32),
        "s": _normal(rng, b, 1, n, n),
    }
    one = inputs["s"].nbytes
    peers = WITH_GRADIENTS if backward else (*WITH_GRADIENTS, "numba")
    return Race(
        workload, "poisson", f"({b}, 1, {n}, {n}), |r| <= 1e-6 |s|", backward,
        inputs, (_normal(rng, b, 1, n, n),), ("kappa", "m2", "s"), one * (11 if backward else 4), 9 * one,
        peers=peers, targets=targets, options={"rtol": 1e-6, "max_iter": 4000},
    )  # fmt: skip


def scan(b: int, t: int, c: int, backward: bool, targets: tuple[Target, ...]) -> Race:
    """An oscillator whose angle, decay and drive the tokens choose, (B, T, C): four inputs and two states forward;
    backward two cotangents, two states and four inputs in, four gradients out."""
    rng = np.random.default_rng(5)
    inputs = {
        "theta": rng.uniform(-3.0, 3.0, (b, t, c)).astype(np.float32),
        "lam": rng.uniform(0.001, 0.5, (b, t, c)).astype(np.float32),
        "f_q": _normal(rng, b, t, c), "f_p": _normal(rng, b, t, c),
    }  # fmt: skip
    one = inputs["theta"].nbytes
    return Race(
        "W5 sequence", "scan", f"({b}, {t}, {c})", backward,
        inputs, (_normal(rng, b, t, c), _normal(rng, b, t, c)), tuple(inputs),
        one * (18 if backward else 6), one * (18 if backward else 6),
        peers=SCANS[:-1] if backward else SCANS, targets=targets,
    )  # fmt: skip


def ahead(factor: float, *of: str) -> Target:
    return Target("ahead", factor, of)


def within(factor: float, *of: str) -> Target:
    return Target("within", factor, of)


def races(quick: bool, threads: int) -> tuple[Race, ...]:
    """All of them, at the sizes of the results; ``quick`` shrinks every one to what a test can wait for."""
    b, c, n, k = (2, 8, 8, 2) if quick else (32, 64, 32, 8)
    large, many = (32, 3) if quick else (2048, 50)
    grids, maze, field_ = (2, 9, 16) if quick else (64, 39, 1024)
    tokens = (2, 128, 16) if quick else (8, 4096, 256)
    scans = ("torch associative scan", "JAX associative scan")
    sides = (8, 4) if quick else (32, 16, 8)
    found = [
        evolve("W1 layer", b, c, n, k, False, (ahead(6, BEST), within(2.5, FLOOR))),
        evolve("W1 layer", b, c, n, k, True, (ahead(5, BEST), within(4, FLOOR))),
        *(block(b, c, side, k, (ahead(5, "torch.compile"),)) for side in sides),
        *(whole(b, c, side, k, (within(1.3, "3x3 convolution"),)) for side in sides),
        evolve("W2 large grid", 1, 1, large, many, False, (ahead(1.7, "numba", "pystencils", "Devito"),)),
        poisson("W3 small grids", grids, maze, False, (ahead(6, BEST),)),
        poisson("W3 small grids", grids, maze, True, (ahead(6, BEST),)),
        poisson("W3 large grid", 1, field_, False, (ahead(2, BEST),)),
        readout(b, c, n, False, (ahead(2, BEST),)),
        readout(b, c, n, True, (ahead(2, BEST),)),
        scan(*tokens, False, (ahead(3, *scans),)),
        scan(*tokens, True, (ahead(3, *scans),)),
    ]
    return tuple(replace(race, options={**race.options, "threads": threads}) for race in found)
