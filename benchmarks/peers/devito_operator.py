"""Devito: one Operator for all steps, OpenMP and the advanced optimisations; periodic by copies into the halo.

Forward only: Devito derives adjoints of its own seismic operators, not of an operator that is given to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import devito
import numpy as np
from devito import Constant, Eq, Function, Grid, Operator, SpaceDimension, TimeFunction

from benchmarks.contender import Contender, labels
from benchmarks.peers.numpy_functions import softplus
from benchmarks.races import Array, Race

NAME = "Devito"
GRADIENTS = False
KINDS = ("evolve", "block", "whole", "poisson", "readout")
OPTIONS = ("advanced", {"openmp": True})


def version() -> str:
    return f"devito {devito.__version__}"


class _Planes:
    """A grid of planes: the two axes of the lattice behind one axis of planes; a single plane is a grid of its own."""

    def __init__(self, race: Race) -> None:
        self.shape = race.inputs["phi"].shape
        self.batch = self.shape[0]
        self.count = self.shape[0] * self.shape[1]
        self.h, self.w = self.shape[2:]
        self.lead = () if self.count == 1 else (SpaceDimension("n"),)
        self.x, self.y = SpaceDimension("x"), SpaceDimension("y")
        size = self.shape[2:] if self.count == 1 else (self.count, self.h, self.w)
        self.grid = Grid(shape=size, dimensions=(*self.lead, self.x, self.y), dtype=np.float32)

    def coefficient(self, name: str, values: Array) -> Any:
        """A value a plane, as it is written in an equation."""
        if not self.lead:
            return Constant(name=name, value=float(values[0]), dtype=np.float32)
        made = Function(name=name, dimensions=self.lead, shape=(self.count,), dtype=np.float32)
        made.data[:] = np.tile(values, self.batch)
        return made[self.lead[0]]

    def flat(self, x: Array) -> Array:
        flat: Array = x.reshape(self.grid.shape)
        return flat


def _steps(race: Race) -> Callable[[], tuple[Array, ...]]:
    planes, dt = _Planes(race), race.dt
    lead, x, y, h, w = planes.lead, planes.x, planes.y, planes.h, planes.w
    phi = TimeFunction(name="phi", grid=planes.grid, time_order=1, space_order=2)
    pi = Function(name="pi", grid=planes.grid, space_order=0)
    values = {name: softplus(race.inputs[f"raw_{name}"]) for name in ("c2", "m2", "lam", "gamma")}
    c2, m2, lam = (planes.coefficient(name, values[name]) for name in ("c2", "m2", "lam"))
    decay = planes.coefficient("decay", np.exp(-values["gamma"] * np.float32(dt)))
    now = planes.grid.stepping_dim

    def at(i: Any, j: Any, time: Any = now) -> Any:
        index = (time, *lead, i, j)
        return phi[index]

    site = (*lead, x, y)
    q, p = at(x, y), pi[site]
    around = at(x - 1, y) + at(x + 1, y) + at(x, y - 1) + at(x, y + 1)
    kick = 0.5 * dt * (q * (m2 + 4 * c2 + lam * q * q) - c2 * around)
    equations = [
        Eq(at(-1, y), at(h - 1, y)),
        Eq(at(h, y), at(0, y)),
        Eq(at(x, -1), at(x, w - 1)),
        Eq(at(x, w), at(x, 0)),
        Eq(p, decay * (p - kick) - kick),
        Eq(at(x, y, now + 1), q + dt * p),
    ]
    operator = Operator(equations, opt=OPTIONS)
    phi0, pi0 = planes.flat(race.inputs["phi"]), planes.flat(race.inputs["pi"])
    half = np.float32(0.5 * dt)
    opened = phi0 + half * pi0

    def call() -> tuple[Array, ...]:
        phi.data[0], pi.data[:] = opened, pi0
        operator.apply(time_m=0, time_M=race.steps - 1, nthreads=race.options["threads"])
        # The operator ends on a full drift, half of it too many; ``numbers`` takes it back.
        return np.asarray(phi.data[race.steps % 2]), np.asarray(pi.data)

    return call


def _readout(race: Race) -> Callable[[], tuple[Array, ...]]:
    planes = _Planes(race)
    lead, x, y, h, w = planes.lead, planes.x, planes.y, planes.h, planes.w
    phi, pi = (Function(name=name, grid=planes.grid, space_order=2) for name in ("phi", "pi"))
    outs = [Function(name=name, grid=planes.grid, space_order=0) for name in ("t00", "t01", "t02", "t11", "t12", "t22")]
    c2, m2, lam = (planes.coefficient(name, softplus(race.inputs[f"raw_{name}"])) for name in ("c2", "m2", "lam"))

    def at(f: Any, i: Any, j: Any) -> Any:
        index = (*lead, i, j)
        return f[index]

    halo = [
        Eq(at(f, *to), at(f, *source))
        for f in (phi, pi)
        for to, source in (((-1, y), (h - 1, y)), ((h, y), (0, y)), ((x, -1), (x, w - 1)), ((x, w), (x, 0)))
    ]
    f, g = at(phi, x, y), at(pi, x, y)
    ax, bx = at(phi, x + 1, y) - f, f - at(phi, x - 1, y)
    ay, by = at(phi, x, y + 1) - f, f - at(phi, x, y - 1)
    sx, sy = 0.25 * c2 * (ax * ax + bx * bx), 0.25 * c2 * (ay * ay + by * by)
    kinetic, potential = 0.5 * g * g, f * f * (0.5 * m2 + 0.25 * lam * f * f)
    components = (
        kinetic + sx + sy + potential,
        -0.25 * (ax * (g + at(pi, x + 1, y)) + bx * (g + at(pi, x - 1, y))),
        -0.25 * (ay * (g + at(pi, x, y + 1)) + by * (g + at(pi, x, y - 1))),
        sx - sy + kinetic - potential,
        0.25 * c2 * (ax + bx) * (ay + by),
        sy - sx + kinetic - potential,
    )
    equations = [Eq(at(out, x, y), value) for out, value in zip(outs, components, strict=True)]
    operator = Operator(halo + equations, opt=OPTIONS)
    phi.data[:], pi.data[:] = planes.flat(race.inputs["phi"]), planes.flat(race.inputs["pi"])

    def call() -> tuple[Array, ...]:
        operator.apply(nthreads=race.options["threads"])
        return tuple(np.asarray(out.data) for out in outs)

    return call


def contenders(race: Race, device: str) -> tuple[Contender, ...]:
    makers = {"evolve": _steps, "readout": _readout}
    if race.backward or device != "cpu" or race.kind not in makers:
        return ()
    devito.configuration["log-level"] = "ERROR"
    shape = race.inputs["phi"].shape
    made: list[Callable[[], Any]] = []

    def call() -> Any:
        # Generation and compilation belong to the cold call.
        if not made:
            made.append(makers[race.kind](race))
        return made[0]()

    def numbers(result: Any) -> Mapping[str, Array]:
        arrays = [np.array(x).reshape(shape) for x in result]
        if race.kind == "evolve":
            arrays[0] -= np.float32(0.5 * race.dt) * arrays[1]
            return dict(zip(labels(race), arrays, strict=True))
        return {"readout": np.concatenate(arrays, 1)}

    return (Contender(f"{NAME} (OpenMP)", NAME, False, call, numbers),)
