"""pystencils: one vectorised OpenMP sweep a step over all planes, ghost cells refilled between sweeps.

The state lives in arrays with ghost cells, as pystencils wants it; the first sweep reads the start and writes work
arrays, so that nothing is copied twice. Forward only: pystencils differentiates nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pystencils as ps

from benchmarks.contender import Contender, labels
from benchmarks.peers.numpy_functions import softplus
from benchmarks.races import Array, Race

NAME = "pystencils"
GRADIENTS = False
KINDS = ("evolve", "block", "whole", "poisson", "readout")


def version() -> str:
    return f"pystencils {ps.__version__}"


def config(threads: int, planes: int) -> Any:
    """Vector instructions of this CPU, OpenMP over the planes, over the rows where there is one plane."""
    made = ps.CreateKernelConfig(
        default_dtype="float32",
        target=ps.Target.CurrentCPU,
        ghost_layers=[(0, 0), (1, 1), (1, 1)],
    )
    made.cpu.vectorize.enable = True
    made.cpu.vectorize.assume_inner_stride_one = True
    made.cpu.openmp.enable = True
    made.cpu.openmp.num_threads = threads
    if planes == 1:
        made.cpu.openmp.collapse = 2
    return made


def padded(x: Array) -> Array:
    """(B, C, H, W) as (B C, H + 2, W + 2) with periodic ghost cells."""
    b, c, h, w = x.shape
    out = np.zeros((b * c, h + 2, w + 2), np.float32)
    out[:, 1:-1, 1:-1] = x.reshape(b * c, h, w)
    wrap(out)
    return out


def wrap(x: Array) -> None:
    """Refill the ghost cells that a five-point stencil reads."""
    x[:, 0, :], x[:, -1, :] = x[:, -2, :], x[:, 1, :]
    x[:, :, 0], x[:, :, -1] = x[:, :, -2], x[:, :, 1]


def per_plane(raw: Array, batch: int) -> Array:
    """Softplus of the values of the channels, one a plane, (B C, 1, 1)."""
    return np.tile(softplus(raw), batch).reshape(-1, 1, 1)


def _names(text: str) -> Any:
    return ps.fields(f"{text}: float32[3D]")


def _coefficient(name: str, count: int) -> Any:
    """A value a plane, (planes, 1, 1), read at the index of the plane."""
    shape = (count, 1, 1)
    field = ps.Field.create_fixed_size(name, shape, dtype=np.float32, field_type=ps.FieldType.CUSTOM)
    return field.absolute_access((ps.DEFAULTS.spatial_counters[0], 0, 0), (0,))


def _steps(race: Race) -> Callable[[], tuple[Array, ...]]:
    b, c = race.inputs["phi"].shape[:2]
    dt = race.dt
    old, new, pi, start = (_names(name) for name in ("old", "fresh", "pi", "start"))
    c2, m2, lam, decay = (_coefficient(name, b * c) for name in ("c2", "m2", "lam", "decay"))
    drift, half = ps.TypedSymbol("drift", "float32"), np.float32(0.5 * dt)
    q = old[0, 0, 0]
    around = old[0, -1, 0] + old[0, 1, 0] + old[0, 0, -1] + old[0, 0, 1]
    kick, momentum = ps.TypedSymbol("kick", "float32"), ps.TypedSymbol("momentum", "float32")
    step = [
        ps.Assignment(kick, float(half) * (q * (m2 + 4 * c2 + lam * q * q) - c2 * around)),
        ps.Assignment(momentum, decay * (pi[0, 0, 0] - kick) - kick),
        ps.Assignment(pi[0, 0, 0], momentum),
        ps.Assignment(new[0, 0, 0], q + drift * momentum),
    ]
    open_ = [
        ps.Assignment(new[0, 0, 0], old[0, 0, 0] + float(half) * start[0, 0, 0]),
        ps.Assignment(pi[0, 0, 0], start[0, 0, 0]),
    ]
    threads = race.options["threads"]
    run_open = ps.create_kernel(open_, config(threads, b * c)).compile()
    run_step = ps.create_kernel(step, config(threads, b * c)).compile()
    values = {name: per_plane(race.inputs[f"raw_{name}"], b) for name in ("c2", "m2", "lam", "gamma")}
    given = {name: values[name] for name in ("c2", "m2", "lam")}
    given["decay"] = np.exp(-values["gamma"] * np.float32(dt))
    phi0, pi0 = padded(race.inputs["phi"]), padded(race.inputs["pi"])
    first, second, momenta = (np.zeros_like(phi0) for _ in range(3))

    def call() -> tuple[Array, ...]:
        a, z = first, second
        run_open(old=phi0, start=pi0, fresh=a, pi=momenta)
        for s in range(race.steps):
            wrap(a)
            run_step(old=a, fresh=z, pi=momenta, drift=half if s == race.steps - 1 else np.float32(dt), **given)
            a, z = z, a
        return a, momenta

    return call


def _readout(race: Race) -> Callable[[], tuple[Array, ...]]:
    b, c = race.inputs["phi"].shape[:2]
    phi, pi = _names("phi"), _names("pi")
    outs = [_names(name) for name in ("t00", "t01", "t02", "t11", "t12", "t22")]
    c2, m2, lam = (_coefficient(name, b * c) for name in ("c2", "m2", "lam"))
    f, g = phi[0, 0, 0], pi[0, 0, 0]
    ax, bx, ay, by = phi[0, 1, 0] - f, f - phi[0, -1, 0], phi[0, 0, 1] - f, f - phi[0, 0, -1]
    sx, sy = 0.25 * c2 * (ax * ax + bx * bx), 0.25 * c2 * (ay * ay + by * by)
    kinetic, potential = 0.5 * g * g, f * f * (0.5 * m2 + 0.25 * lam * f * f)
    values = (
        kinetic + sx + sy + potential,
        -0.25 * (ax * (g + pi[0, 1, 0]) + bx * (g + pi[0, -1, 0])),
        -0.25 * (ay * (g + pi[0, 0, 1]) + by * (g + pi[0, 0, -1])),
        sx - sy + kinetic - potential,
        0.25 * c2 * (ax + bx) * (ay + by),
        sy - sx + kinetic - potential,
    )
    assignments = [ps.Assignment(out[0, 0, 0], value) for out, value in zip(outs, values, strict=True)]
    run = ps.create_kernel(assignments, config(race.options["threads"], b * c)).compile()
    given = {name: per_plane(race.inputs[f"raw_{name}"], b) for name in ("c2", "m2", "lam")}
    given.update(phi=padded(race.inputs["phi"]), pi=padded(race.inputs["pi"]))
    results = {str(out.name): np.zeros_like(given["phi"]) for out in outs}

    def call() -> tuple[Array, ...]:
        run(**given, **results)
        return tuple(results.values())

    return call


def contenders(race: Race, device: str) -> tuple[Contender, ...]:
    makers = {"evolve": _steps, "readout": _readout}
    if race.backward or device != "cpu" or race.kind not in makers:
        return ()
    b, c, h, w = race.inputs["phi"].shape
    made: list[Callable[[], Any]] = []

    def call() -> Any:
        # Generation and compilation belong to the cold call.
        if not made:
            made.append(makers[race.kind](race))
        return made[0]()

    def numbers(result: Any) -> Mapping[str, Array]:
        inner = [x[:, 1:-1, 1:-1].reshape(b, c, h, w) for x in result]
        return dict(zip(labels(race), inner if race.kind == "evolve" else [np.concatenate(inner, 1)], strict=True))

    return (Contender(f"{NAME} (AVX, OpenMP)", NAME, False, call, numbers),)
