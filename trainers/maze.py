"""Train a maze solver on 15 x 15 mazes and test it on 15, 25, 39 and 79, perfect and loopy.

    python -m trainers.maze                       the published run
    python -m trainers.maze --seconds 60          a quick one
    python -m trainers.maze --smoke               seconds; the path through the program, not a result
    python -m trainers.maze --resume runs/maze/X  go on where X stopped, bit for bit
    torchrun --nproc-per-node 2 -m trainers.maze  data parallel

Everything a run writes lies in runs/maze/<name>/: metrics.jsonl, checkpoint.safetensors, learning.png, mazes.png.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any

import numpy as np
import torch
import typer
from lightning_fabric import Fabric
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from trainers import maze_plots
from trainers.command_line import (
    Accelerator,
    Devices,
    Name,
    Out,
    Resume,
    Smoke,
    make_console,
    run_folder,
    share_text,
    tell_files,
    told,
)
from trainers.common import (
    ROOT,
    Display,
    Run,
    begin,
    interruption,
    make_fabric,
    read_meta,
    save_checkpoint,
    spec_hash,
)
from trainers.maze_evaluate import BASELINES, Report, evaluate, to_tensors
from trainers.maze_model import MazeNet, Prediction
from trainers.mazes import MazeBatch, join, make_mazes, place_ends

TRAIN_SIZE = 15
MISSED = 10.0  # a path cell weighs that much more in the loss: a missing cell breaks a path, one too many does not
LARGE = 79  # of this size a quarter of the mazes is tested


@dataclass(frozen=True)
class Options:
    """What determines the result of a run; kept in the checkpoint.

    steps    optimiser steps              seconds   a time limit in their place: the learning rate follows the clock
    batch    mazes a step and process     lr        peak learning rate of Adam: warm-up, then half a cosine to zero
    hidden   width of encoder and heads   pool      training mazes, half of them perfect, half varied
    seed     of weights and mazes         every     steps between two checkpoints
    mazes    tested per size and kind     sizes     of the test mazes
    """

    steps: int = 400
    seconds: float | None = None
    batch: int = 32
    lr: float = 4e-3
    hidden: int = 24
    pool: int = 2000
    seed: int = 0
    every: int = 100
    mazes: int = 200
    sizes: tuple[int, ...] = (15, 25, 39, 79)


SMOKE: dict[str, Any] = {"steps": 12, "batch": 8, "pool": 32, "every": 6, "mazes": 4, "sizes": (15, 25)}


def training_pool(options: Options) -> MazeBatch:
    """Perfect mazes first, then as many varied ones."""
    kinds = ("perfect", "varied")
    return join([make_mazes(options.pool // 2, TRAIN_SIZE, kind, seed=options.seed, split="train") for kind in kinds])


def batch_of(pool: MazeBatch, options: Options, step: int, rank: int) -> tuple[MazeBatch, np.ndarray]:
    """The mazes of one step with fresh starts and goals, and which of them are perfect.

    A function of (seed, step, rank) alone: a resumed run needs no state of a random generator.
    """
    rng = np.random.default_rng([options.seed, step, rank])
    chosen = rng.integers(len(pool), size=options.batch)
    mazes = place_ends(pool.open[chosen], rng)
    if rng.random() < 0.5:  # the lattice's mirror image
        mazes = MazeBatch(*(np.ascontiguousarray(np.swapaxes(x, 1, 2)) for x in vars(mazes).values()))
    return mazes, chosen < len(pool) // 2


def losses(said: Prediction, walk: Tensor, label: Tensor, perfect: Tensor) -> tuple[Tensor, Tensor]:
    """Cross entropy per open cell of both heads, path cells weighing more.

    The head that reads the flux learns from perfect mazes alone: on a loopy one the flux spreads over all routes and
    does not tell which is short.
    """
    result, weight = [], torch.tensor(MISSED, device=label.device)
    for logits, counted in ((said.by_length, walk), (said.by_topology, walk & perfect[:, None, None])):
        cells = binary_cross_entropy_with_logits(logits, label.to(logits), reduction="none", pos_weight=weight)
        result.append((cells * counted).sum() / counted.sum().clamp(min=1))
    return result[0], result[1]


@torch.no_grad()
def batch_f1(logits: Tensor, label: Tensor, counted: Tensor | None = None) -> float:
    """F1 per cell of a batch, of the mazes (B,) that count."""
    chosen = logits > 0
    if counted is not None:
        chosen, label = chosen[counted], label[counted]
    return float(2 * (chosen & label).sum() / (chosen.sum() + label.sum()).clamp(min=1))


def train(
    fabric: Fabric, options: Options, run: Run, display: Display, *, resume: bool = False, stop_after: int | None = None
) -> MazeNet:
    """The training loop; returns the network. ``stop_after`` ends it early at that step, as an interruption would.

    Raises ResumeError when the checkpoint belongs to another spec.
    """
    torch.manual_seed(options.seed)
    network = MazeNet(options.hidden)
    adam = torch.optim.Adam(network.parameters(), lr=options.lr)
    model, optimizer = fabric.setup(network, adam)
    package: dict[str, Any] = {"package": "maze", "spec": spec_hash("maze"), "options": asdict(options)}
    origin = begin(run, display, package["spec"], network, adam, resume=resume)
    done = origin.step
    if done == 0:
        run.log("start", step=0, **package, device=str(fabric.device), processes=fabric.world_size)
    pool = training_pool(options)
    began = time.monotonic() - origin.elapsed

    def finished() -> float:
        return done / options.steps if options.seconds is None else (time.monotonic() - began) / options.seconds

    def keep() -> None:
        if run.writes:
            spent = time.monotonic() - began
            save_checkpoint(run.folder, network, adam, {**package, "step": done, "elapsed": spent})

    with interruption() as stopped:
        # one clock decides for all processes
        while (fraction := fabric.broadcast(finished())) < 1 and done != stop_after and not fabric.broadcast(stopped()):
            clock = time.monotonic()
            mazes, perfect = batch_of(pool, options, done, fabric.global_rank)
            walk, start, goal, label = to_tensors(mazes, fabric.device)
            counted = torch.from_numpy(perfect).to(fabric.device)
            rate = options.lr * min(1.0, (done + 1) / 20) * (1 + math.cos(math.pi * fraction)) / 2
            for group in optimizer.param_groups:
                group["lr"] = rate
            said = model(walk, start, goal)
            by_length, by_topology = losses(said, walk, label, counted)
            optimizer.zero_grad()
            fabric.backward(by_length + by_topology)
            fabric.clip_gradients(model, optimizer, max_norm=1.0)
            optimizer.step()
            done += 1
            speed = len(mazes) * fabric.world_size / (time.monotonic() - clock)
            figures = {
                "loss_length": float(by_length.detach()), "loss_topology": float(by_topology.detach()),
                "f1_length": batch_f1(said.by_length, label),
                "f1_topology": batch_f1(said.by_topology, label, counted),
            }  # fmt: skip
            run.log("train", step=done, **figures, lr=rate, mazes_per_second=round(speed, 1))
            display.update(
                min(1.0, finished()),
                step=done, loss=figures["loss_length"] + figures["loss_topology"], F1=figures["f1_length"],
                **{"mazes/s": round(speed)},
            )  # fmt: skip
            if done % options.every == 0:
                keep()
    if fabric.broadcast(stopped()):
        keep()
        raise KeyboardInterrupt
    keep()
    run.log("trained", step=done, seconds=round(time.monotonic() - began, 1))
    return network


def unseen_mazes(options: Options) -> Iterator[tuple[str, MazeBatch]]:
    """Every size, perfect then loopy; a quarter as many of the largest size."""
    for size in options.sizes:
        count = max(1, options.mazes // 4) if size >= LARGE else options.mazes
        for kind in ("perfect", "loopy"):
            yield kind, make_mazes(count, size, kind, seed=options.seed, split="test")


def results_table(reports: list[Report]) -> Table:
    """Figures of the network and, in the last two columns, the fraction that each zero-parameter baseline solves."""
    title = "unseen mazes: per cell, per maze, and baselines without parameters"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    names = ("size", "kind", "mazes", "prec.", "recall", "F1", "exact", "valid", "short.", *BASELINES)
    for name in names:
        table.add_column(name, justify="left" if name == "kind" else "right", no_wrap=True)
    for report in reports:
        figures = report.scores["network"].figures()
        ascents = (report.scores[solver].figures()["shortest"] for solver in BASELINES)
        values = (*figures.values(), *ascents)
        table.add_row(
            str(report.size), report.kind, str(report.scores["network"].mazes), *(share_text(v) for v in values)
        )
    return table


def examine(network: MazeNet, options: Options, run: Run, console: Console, display: Display) -> list[Report]:
    """Test on every size and kind, log and print the figures, draw the pictures."""
    network.eval()
    device = next(network.parameters()).device
    reports, cases, began = [], {}, time.monotonic()
    sets = list(unseen_mazes(options))
    cells = [len(mazes) * mazes.open[0].size ** 1.5 for _, mazes in sets]
    for k, (kind, mazes) in enumerate(sets):

        def advance(count: int, k: int = k, mazes: MazeBatch = mazes) -> None:
            share = (sum(cells[:k]) + cells[k] * count / len(mazes)) / sum(cells)
            display.update(share, size=sets[k][1].open.shape[1], kind=sets[k][0], mazes=count)

        reports.append(evaluate(network, mazes, kind, device=device, advance=advance))
        for record in reports[-1].records():
            run.log("test", **record)
        size = mazes.open.shape[1]
        if size == min(39, max(options.sizes)):
            longest = int(mazes.label.sum(axis=(1, 2)).argmax())
            cases[f"{kind} {size} x {size}"] = mazes[longest : longest + 1]
    run.log("tested", seconds=round(time.monotonic() - began, 1))
    maze_plots.learning_curve(run.records("train"), run.folder / "learning.png")
    maze_plots.solved_mazes(network, cases, run.folder / "mazes.png")
    console.print(results_table(reports))
    return reports


def summarise(reports: list[Report], run: Run, console: Console) -> None:
    """The last lines: F1 and where the pictures are."""
    f1 = ", ".join(f"{r.size} {r.kind} {r.scores['network'].f1:.4f}" for r in reports)
    console.print(f"F1 per cell: {f1}", soft_wrap=True, highlight=False)
    failed = sum(r.unconverged for r in reports)
    if failed:
        console.print(f"{failed} mazes where a solve did not converge", style="red")
    files = {"picture": "mazes.png", "learning curve": "learning.png", "figures": "metrics.jsonl"}
    tell_files(console, run.folder, files)


def main(
    steps: Annotated[int, typer.Option(help="optimiser steps")] = Options.steps,
    seconds: Annotated[
        float | None, typer.Option(help="train that long in place of --steps; tests a quarter of the mazes")
    ] = None,
    batch: Annotated[int, typer.Option(help="mazes a step and process")] = Options.batch,
    lr: Annotated[float, typer.Option(help="peak learning rate")] = Options.lr,
    hidden: Annotated[int, typer.Option(help="width of the encoder and of the heads")] = Options.hidden,
    pool: Annotated[int, typer.Option(help="training mazes")] = Options.pool,
    seed: Annotated[int, typer.Option(help="of weights and mazes")] = Options.seed,
    every: Annotated[int, typer.Option(help="steps between two checkpoints")] = Options.every,
    mazes: Annotated[int, typer.Option(help="test mazes of every size and kind")] = Options.mazes,
    name: Name = None,
    out: Out = ROOT / "runs" / "maze",
    resume: Resume = None,
    smoke: Smoke = False,
    accelerator: Accelerator = "auto",
    devices: Devices = 1,
    precision: Annotated[str, typer.Option(help="of the convolutions; the fields are float64")] = "32-true",
) -> None:
    """Train a maze solver on 15 x 15 mazes; test it on 15, 25, 39 and 79, perfect and loopy."""
    console = make_console()
    options = Options(steps, seconds, batch, lr, hidden, pool, seed, every, mazes)
    if seconds is not None and not smoke:
        options = replace(options, mazes=max(4, mazes // 4))
    if smoke:
        options = replace(options, **SMOKE)
    folder = resume or run_folder(out, name, f"seed{options.seed}")
    with told(console, folder):
        if resume is not None:
            stored: dict[str, Any] = read_meta(resume)["options"]
            options = Options(**(stored | {"sizes": tuple(stored["sizes"])}))
        fabric = make_fabric(accelerator, devices, precision)
        torch.set_flush_denormal(True)  # numbers below 1e-308 are zero: they would only be slow
        main_process = fabric.global_rank == 0
        run = Run(folder, writes=main_process)
        with Display(console, "train", shown=main_process) as display:
            network = train(fabric, options, run, display, resume=resume is not None)
        if main_process:
            with Display(console, "test") as display:
                reports = examine(network, options, run, console, display)
            summarise(reports, run, console)
        fabric.barrier()


if __name__ == "__main__":
    typer.run(main)
