"""Driven systems beside solvers of ODEs: ``python -m benchmarks.driven``.

W6  a damped nonlinear wave with a source by step, all states saved: u_tt = lap u - m2 u - u^3 - g u_t + J_k
W7  a batch of pendulums in an oscillating field: q_tt = -sin q - g q_t + A cos(w t), the last state

All sides take the same fixed step in float32 and run in turns in one process; peers (torchdiffeq and diffrax, those
that are installed) with a method of order 2, as Strang is. Printed are the smallest time of a turn, forward and with
the gradients of first state, parameters and source, the median and largest error against RK4 with an eighth of the
step in float64, and how many times as long as the CPU kernels each takes. A pendulum of W7 that comes to rest close to
the top falls to one side or the other: the largest error there is that of a turn or two, whatever the method.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from benchmarks.driven_peers import DiffraxSide, TorchdiffeqSide
from benchmarks.timing import both_ways
from metrigen import Field, Input, Lattice, Param, Strang, System, energy_density, grad, momentum, t
from metrigen.compiler import compile_spec
from metrigen.spec.load import Spec

DT = 0.05
Arrays = dict[str, np.ndarray]
Sides = dict[str, Callable[[bool], tuple[Tensor | np.ndarray, ...]]]


def wave(steps: int) -> System:
    x, y = sp.symbols("x y", real=True)
    grid = Lattice(x, y)
    u, source = Field("u", grid), Input("J", grid, time_dependent=True)
    p, m2 = momentum(u), Param("m2", per="channel", nonnegative=True, init=0.5)
    g = Param("g", per="channel", nonnegative=True, init=0.2)
    energy = grad(u).square / 2 + m2 * u**2 / 2 + u**4 / 4 - source * u
    return System(
        "w6", grid, lagrangian=u.diff(t) ** 2 / 2 - energy, bracket=lambda F, G: F[u] * G[p] - F[p] * G[u],
        metric=lambda F, G: g * F[p] * G[p], integrator=Strang(steps, DT), readout=energy_density(),
    )  # fmt: skip


def pendulums(steps: int) -> System:
    point = Lattice()
    q = Field("q", point)
    p, g = momentum(q), Param("g", per="channel", nonnegative=True, init=0.1)
    A, w = Param("A", per="channel", init=0.3), Param("w", per="channel", positive=True, init=0.7)
    return System(
        "w7", point, lagrangian=q.diff(t) ** 2 / 2 + sp.cos(q) + A * sp.cos(w * t) * q,
        bracket=lambda F, G: F[q] * G[p] - F[p] * G[q], metric=lambda F, G: g * F[p] * G[p],
        integrator=Strang(steps, DT), readout=energy_density(),
    )  # fmt: skip


def layer(system: System, folder: Path, channels: int, backend: str) -> Any:
    """The layer of a system; its package is written once."""
    target = folder / system.name
    if not target.exists():
        target.mkdir()
        compiled = compile_spec(Spec(f"{system.name}.py", system, "0" * 64, "", {}, {}))
        for file, text in compiled.files.items():
            (target / file).write_text(text, encoding="utf-8")
    module = importlib.import_module(system.name)
    return getattr(module, system.name.upper())(channels, backend=backend)


def given(race: str, samples: int, channels: int, side: int, steps: int) -> Arrays:
    rng = np.random.default_rng(0)
    shape = (samples, channels, side, side) if race == "W6" else (samples, channels)
    found = {"q": rng.standard_normal(shape), "p": rng.standard_normal(shape)}
    if race == "W6":
        found["J"] = rng.standard_normal((samples, channels, steps, side, side))
    return {name: (x * 0.5).astype(np.float32) for name, x in found.items()}


def ours(race: str, module: Any, arrays: Arrays) -> Callable[[bool], tuple[Tensor, ...]]:
    """All states of W6, the last of W7; with gradients of everything that is given and learned."""

    def run(backward: bool) -> tuple[Tensor, ...]:
        tensors = {name: torch.from_numpy(x).requires_grad_(backward) for name, x in arrays.items()}
        with torch.set_grad_enabled(backward):
            inputs = {"J": tensors["J"]} if race == "W6" else {}
            state = (tensors["q"], tensors["p"])
            found = module.rollout(*state, **inputs) if race == "W6" else module(*state)
            if backward:
                loss = sum(x.square().sum() for x in found)
                torch.autograd.grad(loss, [*tensors.values(), *module.parameters()])
        return tuple(found)

    return run


def sides(race: str, folder: Path, arrays: Arrays, steps: int) -> Sides:
    system = (wave if race == "W6" else pendulums)(steps)
    channels = arrays["q"].shape[1]
    found: Sides = {f"metrigen {b}": ours(race, layer(system, folder, channels, b), arrays) for b in ("cpu", "torch")}
    for kind in (TorchdiffeqSide, DiffraxSide):
        if kind.installed():
            found[kind.name] = kind(race, arrays, steps, DT)
    return found


def truth(race: str, arrays: Arrays, steps: int) -> np.ndarray:
    """The state after all steps by RK4 with an eighth of the step, in float64."""
    q, p = (arrays[n].astype(np.float64) for n in ("q", "p"))
    h = DT / 8

    def force(time: float, k: int, q: np.ndarray, p: np.ndarray) -> np.ndarray:
        if race == "W7":
            return np.asarray(-np.sin(q) - 0.1 * p + 0.3 * np.cos(0.7 * time))
        lap = sum(np.roll(q, s, axis) for axis in (2, 3) for s in (1, -1)) - 4 * q
        return np.asarray(lap - 0.5 * q - q**3 - 0.2 * p + arrays["J"][:, :, k])

    for i in range(8 * steps):
        k, at = i // 8, i * h
        a1, b1 = p, force(at, k, q, p)
        a2, b2 = p + h / 2 * b1, force(at + h / 2, k, q + h / 2 * a1, p + h / 2 * b1)
        a3, b3 = p + h / 2 * b2, force(at + h / 2, k, q + h / 2 * a2, p + h / 2 * b2)
        a4, b4 = p + h * b3, force(at + h, k, q + h * a3, p + h * b3)
        q, p = q + h / 6 * (a1 + 2 * a2 + 2 * a3 + a4), p + h / 6 * (b1 + 2 * b2 + 2 * b3 + b4)
    return q


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="small shapes, to see that it runs")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    sizes = (
        {"W6": (2, 2, 8, 8), "W7": (16, 1, 0, 20)}
        if options.quick
        else {"W6": (16, 16, 32, 64), "W7": (4096, 1, 0, 1000)}
    )
    with tempfile.TemporaryDirectory() as folder:
        sys.path.insert(0, folder)
        for race, (samples, channels, side, steps) in sizes.items():
            arrays = given(race, samples, channels, side, steps)
            found = sides(race, Path(folder), arrays, steps)
            exact, ends = truth(race, arrays, steps), {}
            for name, run in found.items():
                q = np.asarray(run(False)[0])
                apart = np.abs((q[:, :, -1] if race == "W6" else q) - exact)
                ends[name] = f"{np.median(apart):.1e}, at most {apart.max():.1e}"
            times = both_ways(found, options.turns)
            first = times["metrigen cpu"]
            print(f"{race}: {samples} x {channels}" + f" x {side} x {side}" * bool(side) + f", {steps} steps of {DT}")
            for name, (forward, both) in times.items():
                print(
                    f"  {name:15} forward {1e3 * forward:9.2f} ms ({forward / first[0]:6.1f}), with gradients "
                    f"{1e3 * both:9.2f} ms ({both / first[1]:6.1f}), error {ends[name]}",
                    flush=True,
                )
        sys.path.remove(folder)


if __name__ == "__main__":
    main()
