"""Train a Sudoku solver that is told no rows, columns or boxes, and test it on four levels of difficulty.

    python -m trainers.sudoku                        the published run
    python -m trainers.sudoku --seconds 600          a quick one
    python -m trainers.sudoku --smoke                seconds; the path through the program, not a result
    python -m trainers.sudoku --resume runs/sudoku/X go on where X stopped, bit for bit
    python -m trainers.sudoku --eval PUZZLES.txt     solve a file with the trained weights that come with the project
    torchrun --nproc-per-node 2 -m trainers.sudoku   data parallel

A run writes to runs/sudoku/<name>/: metrics.jsonl, checkpoint.safetensors, weights.safetensors (the averaged weights,
for --weights), learning.png, couplings.png, cells.png, solving.png. Puzzles are made once and kept in
runs/sudoku/puzzles/.
"""

from __future__ import annotations

import copy
import math
import time
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from lightning_fabric import Fabric
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn.functional import cross_entropy

from trainers import sudoku_plots
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
    check_processes,
    gather,
    interruption,
    make_fabric,
    read_meta,
    save_checkpoint,
    spec_hash,
)
from trainers.memory import keep_freed_memory
from trainers.sudoku_evaluate import Report, evaluate, sure
from trainers.sudoku_model import SudokuNet
from trainers.sudoku_pool import batch_of, empty_pool, fill, leave, members
from trainers.sudoku_score import PuzzleFileError, read_puzzles
from trainers.sudoku_weights import WEIGHTS, load_weights
from trainers.sudokus import Puzzles, cached_puzzles
from trainers.weights import save_weights


@dataclass(frozen=True)
class Options:
    """What determines the result of a run; kept in the checkpoint.

    steps    optimiser steps                 seconds   a time limit in their place: the learning rate follows the clock
    pool     puzzles at work in a process    rounds    of a segment: what the gradient sees
    stay     least and most segments         mix       odds of the levels easy, medium, hard, hardest
    lr       peak rate of the networks       lr_graph  peak rate of couplings and screenings
    width    numbers per cell and plane      hidden    width of the update
    heads    graphs                          channels  sources per graph and plane
    energy   the update sees T00 as well
    average  decay of the averaged weights   seed      of weights and order
    puzzles  to train on                     every     steps between two checkpoints
    tests    puzzles to test on              most      rounds of an attempt at one
    attempts at a puzzle of a test, at most
    """

    steps: int = 26_500
    seconds: float | None = None
    pool: int = 16
    rounds: int = 4
    stay: tuple[int, int] = (12, 20)
    mix: tuple[float, ...] = (0.4, 0.25, 0.1, 0.25)
    lr: float = 4e-3
    lr_graph: float = 3e-2
    width: int = 32
    hidden: int = 96
    heads: int = 8
    channels: int = 4
    energy: bool = False
    average: float = 0.999
    seed: int = 0
    puzzles: int = 100_352
    every: int = 500
    tests: int = 8192
    most: int = 64
    attempts: int = 32


SMOKE: dict[str, Any] = {
    "steps": 12, "pool": 4, "width": 8, "hidden": 16, "heads": 2, "channels": 2, "puzzles": 64, "every": 6,
    "tests": 32, "most": 8, "attempts": 2, "stay": (1, 2),
}  # fmt: skip
PUZZLE_SEED = 0  # every run has the same puzzles; its own seed draws among them


def make_optimizer(network: SudokuNet, options: Options) -> torch.optim.AdamW:
    """AdamW with two groups: the couplings learn faster and do not decay."""
    graph = network.graph_parameters()
    rest = [p for p in network.parameters() if not any(p is other for other in graph)]
    groups = [
        {"params": rest, "lr": options.lr, "peak": options.lr, "weight_decay": 0.01},
        {"params": graph, "lr": options.lr_graph, "peak": options.lr_graph, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, betas=(0.9, 0.98))


def schedule(step: int, fraction: float) -> float:
    """The share of the peak rate: a warm-up, then half a cosine down to two percent."""
    return min(1.0, (step + 1) / 50) * (0.02 + 0.98 * (1 + math.cos(math.pi * fraction)) / 2)


def loss_of(logits: Tensor, label: Tensor) -> Tensor:
    """Cross entropy per cell, mean over rounds (rounds, B, 9, n) and cells (B, n)."""
    return cross_entropy(logits.flatten(0, 1), label.repeat(len(logits), 1))


def train(
    fabric: Fabric,
    options: Options,
    puzzles: Puzzles,
    run: Run,
    display: Display,
    *,
    resume: bool = False,
    stop_after: int | None = None,
) -> SudokuNet:
    """The training loop; returns the network with averaged weights. ``stop_after`` ends it early at that step.

    Raises ResumeError when the checkpoint belongs to another spec or another number of processes.
    """
    torch.manual_seed(options.seed)
    network = SudokuNet(options.width, options.heads, options.channels, options.hidden, options.energy)
    average = copy.deepcopy(network).to(fabric.device).requires_grad_(False)
    adam = make_optimizer(network, options)
    model, optimizer = fabric.setup(network, adam)
    pool = empty_pool(options.pool, options.width, puzzles.given.shape[1], fabric.device)
    package: dict[str, Any] = {"package": "sudoku", "spec": spec_hash("sudoku"), "options": asdict(options)}
    start = begin(run, display, package["spec"], network, adam, resume=resume,
                  check=lambda meta: check_processes(meta, fabric, run.folder))  # fmt: skip
    done, entered, worked = start.step, 0, 0.0
    if start.kept is not None:
        more = start.kept.more
        average.load_state_dict({name.removeprefix("average."): x for name, x in more.items() if "average." in name})
        for name, value in pool.tensors().items():
            setattr(pool, name, more[f"pool.{name}"][fabric.global_rank].to(value))
        entered, worked = (start.kept.meta[name] for name in ("entered", "worked"))
    if done == 0:
        run.log("start", step=0, **package, device=str(fabric.device), processes=fabric.world_size)
    by_level = members(puzzles)
    began, began_work = time.monotonic() - start.elapsed, time.process_time() - worked

    def finished() -> float:
        return done / options.steps if options.seconds is None else (time.monotonic() - began) / options.seconds

    def spent() -> dict[str, float]:
        """Seconds of the clock, and of the processors in this process."""
        return {"elapsed": time.monotonic() - began, "worked": time.process_time() - began_work}

    def keep() -> None:
        """All processes come here together: every pool goes into the checkpoint."""
        everyone = {f"pool.{name}": gather(fabric, value) for name, value in pool.tensors().items()}
        if run.writes:
            state = {"step": done, "entered": entered, **spent()}
            everyone |= {f"average.{name}": value for name, value in average.state_dict().items()}
            meta = {**package, **state, "processes": fabric.world_size}
            save_checkpoint(run.folder, network, adam, meta, everyone)
            save_weights(run.folder / WEIGHTS.name, average, {**package, **state})

    with interruption() as stopped:
        # one clock decides for all processes
        while (fraction := fabric.broadcast(finished())) < 1 and done != stop_after and not fabric.broadcast(stopped()):
            clock = time.monotonic()
            key = (options.seed, done, fabric.global_rank)
            entered += fill(pool, by_level, options.mix, options.stay, (*key, 0))
            given, label = batch_of(pool, puzzles)
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * schedule(done, fraction)
            state, logits = model(pool.state, given, options.rounds, pool.fresh)
            loss = loss_of(logits, label)
            optimizer.zero_grad()
            fabric.backward(loss)
            fabric.clip_gradients(model, optimizer, max_norm=1.0)
            optimizer.step()
            done += 1
            share = 1 - min(options.average, done / (done + 10))
            for mean, value in zip(average.parameters(), network.parameters(), strict=True):
                mean.lerp_(value.detach(), share)
            digit, certain = sure(logits[-1].detach())
            right = digit == label
            solved = right.all(dim=1) & certain
            leave(pool, state, solved, (*key, 1))
            left = int(pool.fresh.sum())
            figures = {
                "loss": float(loss.detach()), "cells": float(right.float().mean()), "left": left,
                "left_solved": int((pool.fresh & solved).sum()), "entered": entered,
            }  # fmt: skip
            speed = options.pool * fabric.world_size * options.rounds / (time.monotonic() - clock)
            run.log("train", step=done, **figures)
            display.update(
                min(1.0, finished()),
                step=done, loss=figures["loss"], cells=figures["cells"], puzzles=entered, **{"rounds/s": round(speed)},
            )  # fmt: skip
            if done % options.every == 0:
                keep()
    if fabric.broadcast(stopped()):
        keep()
        raise KeyboardInterrupt
    keep()
    run.log("trained", step=done, puzzles=entered, **{name: round(value, 1) for name, value in spent().items()})
    return average


def results_table(report: Report, title: str) -> Table:
    """Figures per level."""
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    for name in ("level", "puzzles", "exact", "first", "cells", "conflicts", "settled", "rounds"):
        table.add_column(name, justify="left" if name == "level" else "right", no_wrap=True)
    for name, score in report.scores.items():
        figures = score.figures()
        shares = [share_text(figures[key]) for key in ("exact", "first", "cells", "conflict", "settled")]
        table.add_row(name, str(score.puzzles), *shares, f"{figures['rounds']:.1f}")
    return table


def examine(network: SudokuNet, puzzles: Puzzles, options: Options, run: Run, console: Console) -> None:
    """Test on every level, log and print the figures, draw the pictures."""
    network.eval()
    device = next(network.parameters()).device
    with Display(console, "test") as display:
        report = evaluate(
            network, puzzles, options.most, options.attempts, device=device,
            advance=lambda count: display.update(count / len(puzzles), puzzles=count),
        )  # fmt: skip
    for record in report.records():
        run.log("test", **record)
    run.log("tested", seconds=round(report.seconds, 1))
    console.print(results_table(report, "unseen puzzles, by level"))
    hardest = puzzles[np.argsort(puzzles.level, kind="stable")[-1:]]
    sudoku_plots.learning_curve(run.records("train"), run.folder / "learning.png")
    sudoku_plots.couplings(network, run.folder / "couplings.png")
    sudoku_plots.neighbours(network, run.folder / "cells.png")
    sudoku_plots.solving(network, hardest, options.most, run.folder / "solving.png")
    tell_files(console, run.folder, {
        "couplings": "couplings.png", "couplings of one cell": "cells.png", "a solve": "solving.png",
        "learning curve": "learning.png", "weights": WEIGHTS.name, "figures": "metrics.jsonl",
    })  # fmt: skip


def solve_file(path: Path, weights: Path, most: int, attempts: int, console: Console) -> None:
    """Score trained weights on a file of puzzles. Raises PuzzleFileError and ResumeError."""
    network = load_weights(weights)
    puzzles = read_puzzles(path)
    with Display(console, "solve") as display:
        report = evaluate(
            network, puzzles, most, attempts,
            advance=lambda count: display.update(count / len(puzzles), puzzles=count),
        )  # fmt: skip
    console.print(results_table(report, f"{len(puzzles)} puzzles, by level"))
    console.print(f"{report.seconds:.1f} s", highlight=False)


def collect(options: Options, folder: Path, workers: int, console: Console, *, shown: bool) -> tuple[Puzzles, Puzzles]:
    """Puzzles to train on and to test on, made or read."""

    def advance(display: Display, count: int, made: int) -> None:
        display.update(made / count, made=made)

    parts = []
    for split, count in (("train", options.puzzles), ("test", options.tests)):
        with Display(console, f"{split} puzzles", shown=shown) as display:
            parts.append(
                cached_puzzles(
                    folder, count, seed=PUZZLE_SEED, split=split, processes=workers,
                    advance=partial(advance, display, count),
                )
            )  # fmt: skip
    return parts[0], parts[1]


def main(
    steps: Annotated[int, typer.Option(help="optimiser steps")] = Options.steps,
    seconds: Annotated[float | None, typer.Option(help="train that long in place of --steps")] = None,
    pool: Annotated[int, typer.Option(help="puzzles at work in a process")] = Options.pool,
    rounds: Annotated[int, typer.Option(help="of a segment: what the gradient sees")] = Options.rounds,
    lr: Annotated[float, typer.Option(help="peak learning rate of the networks")] = Options.lr,
    lr_graph: Annotated[float, typer.Option(help="peak learning rate of the couplings")] = Options.lr_graph,
    width: Annotated[int, typer.Option(help="numbers per cell and digit")] = Options.width,
    hidden: Annotated[int, typer.Option(help="width of the update")] = Options.hidden,
    heads: Annotated[int, typer.Option(help="learned graphs")] = Options.heads,
    channels: Annotated[int, typer.Option(help="fields per graph and digit")] = Options.channels,
    energy: Annotated[bool, typer.Option("--energy", help="the update sees the energy density as well")] = False,
    puzzles: Annotated[int, typer.Option(help="to train on")] = Options.puzzles,
    tests: Annotated[int, typer.Option(help="puzzles to test on")] = Options.tests,
    most: Annotated[int, typer.Option(help="rounds of an attempt at a test puzzle")] = Options.most,
    attempts: Annotated[int, typer.Option(help="at a test puzzle, from other first states")] = Options.attempts,
    seed: Annotated[int, typer.Option(help="of weights and of the order of the puzzles")] = Options.seed,
    every: Annotated[int, typer.Option(help="steps between two checkpoints")] = Options.every,
    name: Name = None,
    out: Out = ROOT / "runs" / "sudoku",
    resume: Resume = None,
    file: Annotated[Path | None, typer.Option("--eval", help="solve the puzzles of a file; train nothing")] = None,
    weights: Annotated[Path, typer.Option(help="for --eval")] = WEIGHTS,
    smoke: Smoke = False,
    workers: Annotated[int, typer.Option(help="processes that make puzzles")] = 2,
    accelerator: Accelerator = "auto",
    devices: Devices = 1,
    precision: Annotated[str, typer.Option(help="of the network")] = "32-true",
) -> None:
    """Train a Sudoku solver that is told no rows, columns or boxes; test it on four levels of difficulty."""
    console = make_console()
    options = Options(
        steps=steps, seconds=seconds, pool=pool, rounds=rounds, lr=lr, lr_graph=lr_graph, width=width, hidden=hidden,
        heads=heads, channels=channels, energy=energy, puzzles=puzzles, tests=tests, most=most,
        attempts=attempts, seed=seed, every=every,
    )  # fmt: skip
    if smoke:
        options = replace(options, **SMOKE)
    folder = resume or run_folder(out, name, f"seed{options.seed}")
    with told(console, folder, PuzzleFileError):
        if file is not None:
            solve_file(file, weights, most, attempts, console)
            return
        if resume is not None:
            stored: dict[str, Any] = read_meta(resume)["options"]
            options = Options(**(stored | {key: tuple(stored[key]) for key in ("stay", "mix")}))
        fabric = make_fabric(accelerator, devices, precision)
        torch.set_flush_denormal(True)
        keep_freed_memory()
        main_process = fabric.global_rank == 0
        run = Run(folder, writes=main_process)
        kept = folder.parent / "puzzles"
        if main_process:
            collect(options, kept, 1 if smoke else workers, console, shown=True)
        fabric.barrier()
        to_train, to_test = collect(options, kept, 1, console, shown=False)
        with Display(console, "train", shown=main_process) as display:
            network = train(fabric, options, to_train, run, display, resume=resume is not None)
        if main_process:
            examine(network, to_test, options, run, console)
        fabric.barrier()


if __name__ == "__main__":
    typer.run(main)
