"""Samples of exp(-H/T) by the emitted steps: cells of a size and a step, block after block, each with noise of its own.

A channel has one value of the control parameter, a sample of the batch is a chain. The first cell of a step is small
and looks over the whole range; every later one looks around where the cumulant of the one before falls through ABOUT.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from generated.criticality import Criticality
from trainers.common import Display, Run, begin, interruption, save_checkpoint, spec_hash
from trainers.criticality_analysis import Curve, binned, falling

PACKAGE = "criticality"
ABOUT = 0.6  # a cumulant near that of the crossings; it places the points and decides nothing
ORDER = 0.7  # the mean field at the start
CRITICAL = -1.27251  # r at lam = 1, T = 1
SOURCE = "D. Schaich, W. Loinaz (2009), Physical Review D 79, 056008"


class Unstable(RuntimeError):
    """Fields that are no numbers: the step is too long."""


@dataclass(frozen=True)
class Action:
    """A theory of H = pi^2/2 + |grad phi|^2/2 + r phi^2/2 + lam phi^4/4 and what drives it through its transition.

    control  the parameter      low, high   where it is looked for     width   half the range of L = 16, then as 1/L
    fixed    the others         published   the critical value, and whose it is
    """

    control: str
    low: float
    high: float
    width: float
    fixed: tuple[tuple[str, float], ...]
    published: float
    source: str = SOURCE


# With phi = T^(1/2) psi the bath of temperature T and coupling lam is that of temperature 1 and coupling lam T.
ACTIONS = {
    "phi4": Action("r", -2.0, -0.6, 0.24, (("lam", 1.0), ("T", 1.0)), CRITICAL),
    "soft_spins": Action("T", 0.3, 1.4, 0.15, (("r", CRITICAL), ("lam", -CRITICAL)), -1 / CRITICAL),
}


@dataclass(frozen=True)
class Case:
    """One seed of an action, a name in ACTIONS."""

    action: str
    seed: int

    @property
    def folder(self) -> Path:
        return Path(self.action) / f"seed{self.seed}"


@dataclass(frozen=True)
class Options:
    """What determines the result of a run; kept in the checkpoints.

    actions   of ACTIONS                     seeds    of starts and noise
    sizes     L of the lattices that decide  search   L of the one that says where the first of them looks
    dts       steps, extrapolated to none    points   values of the control parameter
    chains    of L = 64, as 1/L for others   span     time of a chain of L = 16, as L for others
    friction  gamma L                        blocks   of a chain
    burn      blocks without averages        samples  of a block
    """

    actions: tuple[str, ...] = ("phi4",)
    seeds: tuple[int, ...] = (0, 1, 2)
    sizes: tuple[int, ...] = (16, 32, 64)
    search: int = 16
    dts: tuple[float, ...] = (0.15, 0.2, 0.3)
    points: int = 7
    chains: int = 8
    span: float = 200.0
    friction: float = 4.0
    blocks: int = 20
    burn: int = 5
    samples: int = 10

    def cases(self) -> Iterator[Case]:
        for action in self.actions:
            yield from (Case(action, seed) for seed in self.seeds)


@dataclass(frozen=True)
class Cell:
    """One size and step; ``wide`` where it looks over the whole range."""

    size: int
    dt: float
    wide: bool


def cells_of(options: Options) -> list[Cell]:
    """Step after step: the wide one, then every size."""
    return [
        Cell(size, dt, wide)
        for dt in options.dts
        for wide, sizes in ((True, (options.search,)), (False, options.sizes))
        for size in sizes
    ]


def curves_of(records: list[dict[str, Any]], action: Action, *, wide: bool = False) -> list[Curve]:
    """The curves of the cells of one kind, from what was logged of them, in the order in which it was."""
    fixed = dict(action.fixed)
    return [
        Curve(
            r["size"], r["dt"], np.asarray(r["values"]), np.asarray(r["moments"]),
            fixed["T"] if "T" in fixed else np.asarray(r["values"]),
        )
        for r in records if r["wide"] == wide
    ]  # fmt: skip


def control_values(options: Options, action: Action, cell: Cell, records: list[dict[str, Any]]) -> list[float]:
    """The whole range, or the surroundings of where the cell before has ABOUT the critical cumulant: the narrower, the
    larger the lattice.

    Raises AnalysisError where it has not.
    """
    if cell.wide:
        return [float(x) for x in np.linspace(action.low, action.high, options.points)]
    same = [record for record in records if record["dt"] == cell.dt]
    before = curves_of(same, action, wide=cell.size == options.sizes[0])
    centre, reach = falling(before[-1], ABOUT), action.width * 16 / cell.size
    return [float(x) for x in centre + np.linspace(-reach, reach, options.points)]


def make_layer(options: Options, action: Action, cell: Cell, values: list[float], device: torch.device) -> Criticality:
    """A channel a value; friction as the frequency of the longest waves."""
    init: dict[str, Any] = {**dict(action.fixed), action.control: values, "gamma": options.friction / cell.size}
    return Criticality(len(values), steps=1, dt=cell.dt, init=init, device=device)


def noise(case: Case, cell: Cell, block: int) -> torch.Generator:
    """Of one block: a resumed run needs no state of a generator."""
    digest = hashlib.sha256(f"{case} {cell} {block}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


@dataclass(frozen=True)
class Chains:
    """Fields phi and pi (R, P, L, L) of the R chains at P values, and their mean fields m so far (samples, R, P)."""

    phi: Tensor
    pi: Tensor
    m: Tensor

    @classmethod
    def begin(cls, options: Options, case: Case, cell: Cell, device: torch.device) -> Chains:
        """Ordered fields, as stripes of disordered ones are slow to go, and momenta at T = 1.

        Steps have no room for the tails of larger fluctuations.
        """
        count = max(2, round(options.chains * 64 / cell.size))
        shape = (count, options.points, cell.size, cell.size)
        generator = noise(case, cell, -1)
        phi, pi = (torch.randn(shape, generator=generator).to(device) for _ in range(2))
        return cls(ORDER + phi / 3, pi, torch.zeros(0, *shape[:2], dtype=torch.float64))

    @torch.no_grad()
    def advanced(self, layer: Criticality, every: int, samples: int, generator: torch.Generator) -> Chains:
        """One block of so many samples, so many steps apart. Raises Unstable."""
        phi, pi, means = self.phi, self.pi, [self.m]
        for _ in range(samples):
            phi, pi = layer(phi, pi, steps=every, generator=generator)[:2]
            means.append(phi.double().mean((2, 3)).cpu()[None])
        if not bool(torch.isfinite(phi).all()):
            raise Unstable(f"a field is no number any more after steps of dt = {layer.dt}: give shorter ones, --dts")
        return Chains(phi, pi, torch.cat(means))


def steps_between(options: Options, cell: Cell) -> int:
    """Steps from one sample to the next."""
    return max(1, round(options.span * cell.size / 16 / cell.dt / options.blocks / options.samples))


def log_cell(run: Run, options: Options, cell: Cell, values: list[float], m: Tensor, step: int) -> None:
    """What a cell found after its burn-in: binned moments, and autocorrelation times of m^2 in steps."""
    every = steps_between(options, cell)
    moments, times, length = binned(m[options.burn * options.samples :].numpy())
    run.log("cell", step=step, size=cell.size, dt=cell.dt, wide=cell.wide, values=values,
            times=[round(float(x) * every, 1) for x in times], bin=length * every,
            chain=every * options.samples * (options.blocks - options.burn),
            moments=moments.tolist())  # fmt: skip


def sample(
    fabric: Fabric,
    options: Options,
    case: Case,
    run: Run,
    display: Display,
    *,
    resume: bool = False,
    stop_after: int | None = None,
) -> list[Curve]:
    """All cells; returns the curves that decide. ``stop_after`` ends it early at that block, as an interruption would.

    Raises ResumeError, AnalysisError or Unstable.
    """
    cells, action, device = cells_of(options), ACTIONS[case.action], fabric.device
    origin: dict[str, Any] = {"package": PACKAGE, "spec": spec_hash(PACKAGE), "options": asdict(options),
                              **asdict(case)}  # fmt: skip
    nothing = nn.Identity()  # no weights: a channel's parameters are those of its cell
    start = begin(run, display, origin["spec"], nothing, None, resume=resume)
    done, total = start.step, len(cells) * options.blocks
    if done == 0:
        run.log("start", step=0, **origin, device=str(device))
    chains = None
    if start.kept is not None:
        more = start.kept.more
        chains = Chains(more["phi"].to(device), more["pi"].to(device), more["m"])
    began = time.process_time() - start.elapsed  # of the processor: other work on the machine is not counted

    def keep() -> None:
        if run.writes and chains is not None:
            meta = {**origin, "step": done, "elapsed": time.process_time() - began}
            save_checkpoint(run.folder, nothing, None, meta, vars(chains))

    layer, values = None, []
    with interruption() as stopped:
        while done < total and done != stop_after and not stopped():
            at, block = divmod(done, options.blocks)
            cell = cells[at]
            if layer is None or block == 0:
                values = control_values(options, action, cell, run.records("cell"))
                layer = make_layer(options, action, cell, values, device)
            if block == 0 or chains is None:
                chains = Chains.begin(options, case, cell, device)
            chains = chains.advanced(layer, steps_between(options, cell), options.samples, noise(case, cell, block))
            done += 1
            run.log("block", step=done, size=cell.size, dt=cell.dt, wide=cell.wide, block=block,
                    m2=(chains.m[-options.samples :] ** 2).mean((0, 1)).tolist())  # fmt: skip
            if block == options.blocks - 1:
                log_cell(run, options, cell, values, chains.m, done)
            display.update(done / total, step=done, L=cell.size, dt=cell.dt, block=block)
            if done % 5 == 0 or block == options.blocks - 1:
                keep()
    if done != total:
        keep()
    if stopped():
        raise KeyboardInterrupt
    run.log("trained", step=done, seconds=round(time.process_time() - began, 1))
    return curves_of(run.records("cell"), action)
