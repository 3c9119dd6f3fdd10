"""Train Hamiltonian generative networks on films of mechanical systems, and two baselines of the same size beside them.

    python -m trainers.hgn                       the published run
    python -m trainers.hgn --system pendulum     one system; --model recurrent: one model
    python -m trainers.hgn --smoke               seconds; the path through the program, not a result
    python -m trainers.hgn --resume runs/hgn/X   go on where X stopped, bit for bit
    torchrun --nproc-per-node 2 -m trainers.hgn  data parallel

All models have the same encoder and decoder, the same films in the same order, and the same learning rate. Everything a
run writes lies in runs/hgn/<name>/: comparison.jsonl, learning.png, films.png, and for every system, model and seed a
folder with metrics.jsonl and checkpoint.safetensors.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from lightning_fabric import Fabric
from rich.console import Console

from trainers.cases import run_cases, stored_options
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
    ROOT,
    Display,
    Run,
    load_checkpoint,
    make_fabric,
)
from trainers.hgn_model import VARIANTS, Film, build
from trainers.hgn_report import report
from trainers.hgn_systems import SYSTEMS
from trainers.hgn_training import Case, Options, examine, train

SMOKE: dict[str, Any] = {
    "seeds": (0,), "films": 8, "frames": 6, "test": 4, "steps": 4, "batch": 4, "seen": 3, "glance": 4, "width": 8,
    "recurrent": 4, "every": 2,
}  # fmt: skip


def run_all(fabric: Fabric, options: Options, folder: Path, console: Console, *, resume: bool) -> None:
    """Train and test every case of the run that has no test yet, then compare them."""

    def fit(case: Case, run: Run, display: Display, started: bool) -> Film:
        return train(fabric, options, case, run, display, resume=started)

    def test(network: Film, case: Case, run: Run) -> None:
        examine(network, options, case, run)

    def restored(case: Case, place: Path) -> Film:
        network = build(case.model, options.sizes)
        load_checkpoint(place).restore(network, None)
        return network

    networks = run_cases(fabric, options.cases(), folder, console, fit, test, restored, resume=resume)
    if fabric.global_rank == 0:
        report(folder, options, networks, console)


def main(
    system: Annotated[
        list[str] | None, typer.Option(help=f"of {', '.join(SYSTEMS)}; may be repeated; default all")
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(help=f"of {', '.join(VARIANTS)}; may be repeated; default all")
    ] = None,
    seeds: Annotated[str, typer.Option(help="of weights and films, e.g. 0,1,2")] = "0,1,2",
    films: Annotated[int, typer.Option(help="of the training data")] = Options.films,
    frames: Annotated[int, typer.Option(help="of a film in training; tests are ten times as long")] = Options.frames,
    first: Annotated[int, typer.Option(help="frame of a film that a step may begin at, the latest")] = Options.first,
    test: Annotated[int, typer.Option(help="films of the test")] = Options.test,
    steps: Annotated[int, typer.Option(help="optimiser steps")] = Options.steps,
    batch: Annotated[int, typer.Option(help="films a step and process")] = Options.batch,
    lr: Annotated[float, typer.Option(help="peak learning rate")] = Options.lr,
    entropy: Annotated[float, typer.Option(help="weight of the encoder's relative entropy")] = Options.entropy,
    width: Annotated[int, typer.Option(help="of encoder and decoder")] = Options.width,
    recurrent: Annotated[int, typer.Option(help="units of the recurrent network")] = Options.recurrent,
    planes: Annotated[int, typer.Option(help="of a phase point", min=1)] = Options.planes,
    every: Annotated[int, typer.Option(help="steps between two validations and checkpoints")] = Options.every,
    name: Name = None,
    out: Out = ROOT / "runs" / "hgn",
    resume: Resume = None,
    smoke: Smoke = False,
    accelerator: Accelerator = "auto",
    devices: Devices = 1,
    precision: Annotated[str, typer.Option(help="of Fabric")] = "32-true",
) -> None:
    """Train Hamiltonian generative networks on films of mechanical systems, and two baselines beside them."""
    console = make_console()
    options = Options(
        systems=chosen(system, tuple(SYSTEMS), Options.systems, "--system"),
        models=chosen(model, tuple(VARIANTS), Options.models, "--model"),
        seeds=seeds_of(seeds, "--seeds"), films=films, frames=frames, first=first, test=test, steps=steps, batch=batch,
        lr=lr, entropy=entropy, width=width, recurrent=recurrent, planes=planes, every=every,
    )  # fmt: skip
    if frames <= options.seen:
        raise typer.BadParameter(f"{frames} frames: the encoder is given {options.seen} of them", param_hint="--frames")
    if not 0 <= first < frames - options.seen:
        raise typer.BadParameter(f"{first}: {options.seen + 1} frames of {frames} must follow it", param_hint="--first")
    if smoke:
        options = replace(options, **SMOKE)
    folder = resume or run_folder(out, name, f"seeds{'-'.join(map(str, options.seeds))}")
    with told(console, folder):
        if resume is not None:
            options = Options(**stored_options(resume, "<system>/<model>-<seed>"))
        fabric = make_fabric(accelerator, devices, precision)
        torch.set_flush_denormal(True)
        run_all(fabric, options, folder, console, resume=resume is not None)


if __name__ == "__main__":
    typer.run(main)
