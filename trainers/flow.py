"""Train Hamiltonian flows on densities of the plane, and a RealNVP of the same size beside them.

    python -m trainers.flow                      the published run
    python -m trainers.flow --density rings      one density; --model realnvp: one model
    python -m trainers.flow --smoke              seconds; the path through the program, not a result
    python -m trainers.flow --resume runs/flow/X go on where X stopped, bit for bit
    torchrun --nproc-per-node 2 -m trainers.flow data parallel

All models of a density have equal parameters as near as widths allow, and the same points in the same order, RealNVP as
many more a step as the others draw momenta; each has its own learning rate. Everything a run writes lies in
runs/flow/<name>/: comparison.jsonl, learning.png, samples.png, and for every density, model and seed a folder with
metrics.jsonl and checkpoint.safetensors.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from lightning_fabric import Fabric
from rich.console import Console
from torch import Tensor

from trainers.cifar_options import seeds_of
from trainers.command_line import (
    Accelerator,
    Devices,
    Name,
    Out,
    Resume,
    Smoke,
    chosen,
    make_console,
    run_folder,
    told,
)
from trainers.common import (
    CHECKPOINT,
    ROOT,
    Display,
    ResumeError,
    Run,
    check_spec,
    has_checkpoint,
    interruption,
    load_checkpoint,
    make_fabric,
    read_meta,
    save_checkpoint,
    spec_hash,
    tell_fallback,
)
from trainers.flow_data import DENSITIES, Mixture
from trainers.flow_networks import VARIANTS, Sizes, build
from trainers.flow_report import Case, report
from trainers.flow_score import log_density, noise_of, score
from trainers.sizes import parameters

WARM_UP = 50  # steps
LOGGED = 20  # steps between two lines of metrics.jsonl
WATCHED = 500  # points of a validation
MOMENTA = 16  # of each of them
ROUND = ("rings",)  # densities that no rotation changes: the equivariant flow is for these


@dataclass(frozen=True)
class Options:
    """What determines the result of a run; kept in the checkpoints.

    densities   names in DENSITIES            models       names in VARIANTS; the equivariant flow for round densities
    seeds       of weights and points         steps        optimiser steps
    batch       points a step and process     importance   momenta of each in training; RealNVP, which has none, gets
                                                           so many times as many points
    lr          peak learning rate of Adam for the Hamiltonian flows     realnvp_lr   the same for RealNVP
    blocks, width, couplings   see flow_networks.py
    points, tested   test points, momenta a point in the test
    every       steps between two validations and checkpoints
    """

    densities: tuple[str, ...] = ("rings", "moons")
    models: tuple[str, ...] = tuple(VARIANTS)
    seeds: tuple[int, ...] = (0, 1, 2)
    steps: int = 600
    batch: int = 64
    importance: int = 4
    lr: float = 3e-2
    realnvp_lr: float = 3e-2
    blocks: int = 4
    width: int = 24
    couplings: int = 6
    points: int = 1000
    tested: int = 256
    every: int = 100

    @property
    def sizes(self) -> Sizes:
        return Sizes(self.blocks, self.width, self.couplings)

    def cases(self) -> Iterator[Case]:
        """Every density with every model that is for it, seed by seed."""
        for seed in self.seeds:
            for density in self.densities:
                models = (model for model in self.models if model != "rotation" or density in ROUND)
                yield from (Case(density, model, seed) for model in models)


SMOKE: dict[str, Any] = {
    "densities": ("moons", "rings"), "seeds": (0,), "steps": 12, "batch": 32, "blocks": 2, "width": 8, "couplings": 2,
    "points": 40, "tested": 8, "every": 6,
}  # fmt: skip


def rate(step: int, steps: int) -> float:
    """Warm-up, then half a cosine to zero, as a fraction of the peak."""
    return min(1.0, (step + 1) / WARM_UP) * (1 + math.cos(math.pi * step / steps)) / 2


def batch_of(density: Mixture, options: Options, case: Case, step: int, rank: int) -> tuple[Tensor, Tensor]:
    """Points (N, 2) of one step and the numbers of their momenta (K, N, 2): of (seed, step, rank) alone."""
    rng = np.random.default_rng([case.seed, 0, step, rank])
    drawn = torch.from_numpy(density.draw(options.batch * options.importance, rng))
    points = drawn[: options.batch] if VARIANTS[case.model].package else drawn
    return points, noise_of(rng, options.importance, len(points))


def train(
    fabric: Fabric,
    options: Options,
    case: Case,
    run: Run,
    display: Display,
    *,
    resume: bool = False,
    stop_after: int | None = None,
) -> Any:
    """Train one model on one density; returns it. ``stop_after`` ends the loop early at that step, as an interruption
    would. Raises ResumeError when the checkpoint belongs to another spec."""
    variant, density = VARIANTS[case.model], DENSITIES[case.density]()
    torch.manual_seed(case.seed)
    network: Any = build(case.model, options.sizes)
    peak = options.lr if variant.package else options.realnvp_lr
    adam = torch.optim.Adam(network.parameters(), lr=peak)
    model, optimizer = fabric.setup(network, adam)
    package = variant.package or "flow"  # the baseline has no spec: that of what it stands beside
    origin: dict[str, Any] = {"package": package, "spec": spec_hash(package), "options": asdict(options),
                              **asdict(case)}  # fmt: skip
    done, elapsed = 0, 0.0
    kept = load_checkpoint(run.folder) if resume else None
    if kept is not None:
        check_spec(kept.meta, origin["spec"], run.folder)
        kept.restore(network, adam)
        done, elapsed = kept.meta["step"], kept.meta["elapsed"]
    run.begin(done)
    tell_fallback(kept, run, display)
    if done == 0:
        run.log("start", step=0, **origin, parameters=parameters(network), device=str(fabric.device))
    began = time.process_time() - elapsed  # of the processor: other work on the machine is not counted
    rng = np.random.default_rng([case.seed, 2])
    watched = torch.from_numpy(density.draw(WATCHED, rng)).to(next(network.parameters()))
    momenta = noise_of(rng, MOMENTA, WATCHED).to(watched)

    def keep() -> None:
        if run.writes:
            spent = time.process_time() - began
            save_checkpoint(run.folder, network, adam, {**origin, "step": done, "elapsed": spent})

    with interruption() as stopped:
        while done < options.steps and done != stop_after and not fabric.broadcast(stopped()):
            clock = time.monotonic()
            for group in optimizer.param_groups:
                group["lr"] = peak * rate(done, options.steps)
            points, noise = batch_of(density, options, case, done, fabric.global_rank)
            loss = -model(points.to(watched), noise.to(watched)).mean()
            optimizer.zero_grad()
            fabric.backward(loss)
            fabric.clip_gradients(model, optimizer, max_norm=1.0)
            optimizer.step()
            done += 1
            nats, speed = float(loss.detach()), round(len(points) * fabric.world_size / (time.monotonic() - clock))
            if done % LOGGED == 0 or done == options.steps:
                run.log("train", step=done, nats=nats, lr=peak * rate(done - 1, options.steps))
            display.update(done / options.steps, step=done, loss=nats, **{"points/s": speed})
            if done % options.every == 0 or done == options.steps:
                if run.writes:
                    run.log("validation", step=done, nats=-float(log_density(network, watched, momenta).mean()))
                keep()
    if fabric.broadcast(stopped()):
        keep()
        raise KeyboardInterrupt
    if done != options.steps:
        keep()
    run.log("trained", step=done, seconds=round(time.process_time() - began, 1))
    return network


def examine(network: Any, options: Options, case: Case, run: Run) -> None:
    """Log the figures of a trained model."""
    figures = score(
        network, DENSITIES[case.density](), seed=case.seed, points=options.points, importance=options.tested
    )
    run.log("test", **figures)


def stored_options(folder: Path) -> Options:
    """What a run folder was started with. Raises ResumeError where no model has a checkpoint yet."""
    for place in sorted(folder.glob("*/*")):
        if has_checkpoint(place):
            stored: dict[str, Any] = read_meta(place)["options"]
            lists: dict[str, Any] = {key: tuple(v) for key, v in stored.items() if isinstance(v, list)}
            return Options(**(stored | lists))
    raise ResumeError(f"no {CHECKPOINT} in {folder}/<density>/<model>-<seed>")


def run_all(fabric: Fabric, options: Options, folder: Path, console: Console, *, resume: bool) -> None:
    """Train and test every case of the run that has no test yet, then compare them."""
    main_process, networks = fabric.global_rank == 0, {}
    for case in options.cases():
        run = Run(folder / case.folder, writes=main_process)
        tested = bool(run.records("test")) and resume
        with Display(console, str(case.folder), shown=main_process) as display:
            started = resume and has_checkpoint(run.folder)
            network = train(fabric, options, case, run, display, resume=started) if not tested else None
        if main_process:
            if network is not None:
                examine(network, options, case, run)
            networks[case] = network if network is not None else _restored(options, case, run.folder)
        fabric.barrier()
    if main_process:
        report(folder, networks, console)


def _restored(options: Options, case: Case, folder: Path) -> Any:
    """A model that was trained and tested before the run was stopped."""
    network = build(case.model, options.sizes)
    load_checkpoint(folder).restore(network, torch.optim.Adam(network.parameters()))
    return network


def main(
    density: Annotated[
        list[str] | None,
        typer.Option(help=f"of {', '.join(DENSITIES)}; may be repeated; default {', '.join(Options.densities)}"),
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(help=f"of {', '.join(VARIANTS)}; may be repeated; default all")
    ] = None,
    seeds: Annotated[str, typer.Option(help="of weights and points, e.g. 0,1,2")] = "0,1,2",
    steps: Annotated[int, typer.Option(help="optimiser steps")] = Options.steps,
    batch: Annotated[int, typer.Option(help="points a step and process")] = Options.batch,
    importance: Annotated[int, typer.Option(help="momenta a point in training")] = Options.importance,
    lr: Annotated[float, typer.Option(help="peak learning rate of the Hamiltonian flows")] = Options.lr,
    realnvp_lr: Annotated[float, typer.Option(help="peak learning rate of RealNVP")] = Options.realnvp_lr,
    blocks: Annotated[int, typer.Option(help="potentials of a Hamiltonian flow")] = Options.blocks,
    width: Annotated[int, typer.Option(help="of its encoder")] = Options.width,
    couplings: Annotated[int, typer.Option(help="of RealNVP; their width follows")] = Options.couplings,
    points: Annotated[int, typer.Option(help="test points")] = Options.points,
    tested: Annotated[int, typer.Option(help="momenta a point in the test")] = Options.tested,
    every: Annotated[int, typer.Option(help="steps between two validations and checkpoints")] = Options.every,
    name: Name = None,
    out: Out = ROOT / "runs" / "flow",
    resume: Resume = None,
    smoke: Smoke = False,
    accelerator: Accelerator = "auto",
    devices: Devices = 1,
    precision: Annotated[str, typer.Option(help="of Fabric")] = "32-true",
) -> None:
    """Train Hamiltonian flows on densities of the plane, and a RealNVP of the same size beside them."""
    console = make_console()
    densities = chosen(density, tuple(DENSITIES), Options.densities, "--density")
    models = chosen(model, tuple(VARIANTS), Options.models, "--model")
    options = Options(densities, models, seeds_of(seeds, "--seeds"), steps, batch, importance, lr, realnvp_lr, blocks,
                      width, couplings, points, tested, every)  # fmt: skip
    if smoke:
        options = replace(options, **SMOKE)
    folder = resume or run_folder(out, name, f"seeds{'-'.join(map(str, options.seeds))}")
    with told(console, folder):
        if resume is not None:
            options = stored_options(resume)
        fabric = make_fabric(accelerator, devices, precision)
        torch.set_flush_denormal(True)
        run_all(fabric, options, folder, console, resume=resume is not None)


if __name__ == "__main__":
    typer.run(main)
