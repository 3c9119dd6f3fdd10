"""Samples of exp(-H/T) by the emitted steps: cells of a size and a step, block after block, each with noise of its own.

A channel has one value of the control parameter, a sample of the batch is a replica. The first cells are small and wide
and say where the others look.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from generated.criticality import Criticality
from trainers.common import (
    Display,
    Run,
    check_spec,
    interruption,
    load_checkpoint,
    save_checkpoint,
    spec_hash,
    tell_fallback,
)
from trainers.criticality_analysis import Curve, crossing, curve_of

PACKAGE = "criticality"


class Unstable(RuntimeError):
    """Fields that are no numbers: the step is too long."""


@dataclass(frozen=True)
class Action:
    """A theory of H = pi^2/2 + |grad phi|^2/2 + r phi^2/2 + lam phi^4/4 and what drives it through its transition.

    control  the parameter      low, high   where it is looked for     width   half the range of L = 16, then as 1/L
    fixed    the others         published   the critical value, and who says so
    """

    control: str
    low: float
    high: float
    width: float
    fixed: tuple[tuple[str, float], ...]
    published: tuple[float, str] | None = None


ACTIONS = {
    "phi4": Action(
        "r", -2.0, -0.6, 0.24, (("lam", 1.0), ("T", 1.0)),
        (-1.27251, "D. Schaich, W. Loinaz (2009), Physical Review D 79, 056008"),
    ),
    "allen_cahn": Action("T", 0.3, 1.4, 0.2, (("r", -1.0), ("lam", 1.0))),
}  # fmt: skip


@dataclass(frozen=True)
class Options:
    """What determines the result of a run; kept in the checkpoint.

    action    of ACTIONS                     seed     of starts and noise
    sizes     L of the lattices that decide  search   pairs of L that say where the next ones look
    dts       steps, extrapolated to none    points   values of the control parameter
    sites     L^2 times the replicas         span     time of a cell of L = 16, as L for others
    blocks    of a cell                      burn     of them are left out of the averages
    samples   of a block
    """

    action: str = "phi4"
    seed: int = 0
    sizes: tuple[int, ...] = (16, 32, 64)
    search: tuple[tuple[int, int], ...] = ((8, 16), (16, 32))
    dts: tuple[float, ...] = (0.1, 0.2)
    points: int = 9
    sites: int = 4096
    span: float = 200.0
    blocks: int = 20
    burn: int = 5
    samples: int = 20


@dataclass(frozen=True)
class Cell:
    """One size and step; ``stage`` counts the searches, and the last one decides."""

    size: int
    dt: float
    stage: int


def cells_of(options: Options) -> list[Cell]:
    """Those of the search at the longest step, then every size at every step."""
    search = [Cell(size, max(options.dts), stage) for stage, pair in enumerate(options.search) for size in pair]
    return search + [Cell(size, dt, len(options.search)) for dt in options.dts for size in options.sizes]


def curves_of(records: list[dict[str, Any]], options: Options, stage: int) -> list[Curve]:
    """A curve a cell, of what was logged after the burn-in."""
    action = ACTIONS[options.action]
    found = []
    for cell in cells_of(options):
        blocks = [r for r in records if (r["size"], r["dt"], r["stage"]) == (cell.size, cell.dt, cell.stage)]
        used = [r for r in blocks if r["block"] >= options.burn]
        if cell.stage == stage and used:
            fixed = dict(action.fixed)
            found.append(curve_of(used, fixed["T"] if "T" in fixed else np.asarray(used[0]["values"])))
    return found


def control_values(options: Options, cell: Cell, records: list[dict[str, Any]]) -> list[float]:
    """The whole range, or the surroundings of where the search before crosses: the narrower, the larger the lattice.

    Raises AnalysisError where they do not cross.
    """
    action = ACTIONS[options.action]
    if cell.stage == 0:
        return [float(x) for x in np.linspace(action.low, action.high, options.points)]
    centre = crossing(*curves_of(records, options, cell.stage - 1))
    reach = action.width * 16 / cell.size
    return [float(x) for x in centre + np.linspace(-reach, reach, options.points)]


def make_layer(options: Options, cell: Cell, values: list[float], device: torch.device) -> Criticality:
    """A channel a value; friction as the frequency of the longest waves, which it then relaxes fastest."""
    action = ACTIONS[options.action]
    init: dict[str, Any] = {**dict(action.fixed), action.control: values, "gamma": 8.0 / cell.size}
    return Criticality(len(values), steps=1, dt=cell.dt, init=init, device=device)


def noise(seed: int, cell: int, block: int) -> torch.Generator:
    """Of one block: a resumed run needs no state of a generator."""
    digest = hashlib.sha256(f"{seed} {cell} {block}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def begin_fields(options: Options, cell: Cell, at: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Small fields and momenta at T = 1, (replicas, points, L, L); steps have no room for the tails of larger ones."""
    replicas = max(2, options.sites // cell.size**2)
    shape = (replicas, options.points, cell.size, cell.size)
    generator = noise(options.seed, at, -1)
    phi, pi = (torch.randn(shape, generator=generator).to(device) for _ in range(2))
    return phi / 3, pi


@torch.no_grad()
def advance(
    layer: Criticality, state: tuple[Tensor, Tensor], every: int, samples: int, generator: torch.Generator
) -> tuple[tuple[Tensor, Tensor], list[list[float]]]:
    """One block: the last state, and moments of the mean field a channel. Raises Unstable."""
    phi, pi = state
    moments = [torch.zeros(phi.shape[1], dtype=torch.float64) for _ in range(3)]
    for _ in range(samples):
        phi, pi = layer(phi, pi, steps=every, generator=generator)[:2]
        m = phi.mean((2, 3)).double().cpu()
        for moment, power in zip(moments, (m.abs(), m**2, m**4), strict=True):
            moment += power.mean(0) / samples
    if not bool(torch.isfinite(phi).all()):
        raise Unstable(f"a field is no number any more after steps of dt = {layer.dt}: give shorter ones, --dts")
    return (phi, pi), [moment.tolist() for moment in moments]


def sample(
    fabric: Fabric, options: Options, run: Run, display: Display, *, resume: bool = False, stop_after: int | None = None
) -> list[Curve]:
    """All cells; returns the curves that decide. ``stop_after`` ends it early at that block, as an interruption would.

    Raises ResumeError, AnalysisError or Unstable.
    """
    cells, device = cells_of(options), fabric.device
    origin: dict[str, Any] = {"package": PACKAGE, "spec": spec_hash(PACKAGE), "options": asdict(options)}
    done, elapsed, state = 0, 0.0, None
    kept = load_checkpoint(run.folder) if resume else None
    if kept is not None:
        check_spec(kept.meta, origin["spec"], run.folder)
        done, elapsed = kept.meta["step"], kept.meta["elapsed"]
        state = kept.more["phi"].to(device), kept.more["pi"].to(device)
    run.begin(done)
    tell_fallback(kept, run, display)
    if done == 0:
        run.log("start", step=0, **origin, device=str(device))
    began, worked = time.monotonic() - elapsed, time.process_time() - (0.0 if kept is None else kept.meta["worked"])
    total = len(cells) * options.blocks
    layer, values = None, []
    with interruption() as stopped:
        while done < total and done != stop_after and not stopped():
            at, block = divmod(done, options.blocks)
            cell = cells[at]
            if layer is None or block == 0:
                values = control_values(options, cell, run.records("block"))
                layer = make_layer(options, cell, values, device)
            if block == 0 or state is None:
                state = begin_fields(options, cell, at, device)
            every = max(1, round(options.span * cell.size / 16 / cell.dt / options.blocks / options.samples))
            generator = noise(options.seed, at, block)
            state, (m1, m2, m4) = advance(layer, state, every, options.samples, generator)
            done += 1
            run.log("block", step=done, size=cell.size, dt=cell.dt, stage=cell.stage, block=block, values=values,
                    m1=m1, m2=m2, m4=m4)  # fmt: skip
            display.update(done / total, step=done, L=cell.size, dt=cell.dt, block=block)
            if run.writes and (done % 5 == 0 or block == options.blocks - 1 or done == stop_after):
                meta = {
                    **origin,
                    "step": done,
                    "elapsed": time.monotonic() - began,
                    "worked": time.process_time() - worked,
                }
                save_checkpoint(run.folder, layer, None, meta, {"phi": state[0], "pi": state[1]})
    if stopped():
        if layer is not None and state is not None:
            meta = {**origin, "step": done, "elapsed": time.monotonic() - began, "worked": time.process_time() - worked}
            save_checkpoint(run.folder, layer, None, meta, {"phi": state[0], "pi": state[1]})
        raise KeyboardInterrupt
    if done == total:
        run.log(
            "sampled",
            step=done,
            seconds=round(time.monotonic() - began, 1),
            worked=round(time.process_time() - worked, 1),
        )
    return curves_of(run.records("block"), options, len(options.search))
