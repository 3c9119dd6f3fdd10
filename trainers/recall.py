"""What the language models can look up: recall of pairs, induction and copying, the GPT beside them.

    python -m trainers.recall                      the published run
    python -m trainers.recall --task copy          one task; --model gpt: one model
    python -m trainers.recall --smoke              seconds; the path through the program, not a result
    python -m trainers.recall --resume runs/recall/X
    torchrun --nproc-per-node 2 -m trainers.recall data parallel

All models of a task have equal parameters within 2 %, optimiser, schedule and batches, drawn anew for every step; the
test asks for longer lists than the training too. Everything a run writes lies in runs/recall/<name>/: comparison.jsonl,
learning.png, and for every task, model and seed a folder with metrics.jsonl and checkpoint.safetensors.
"""

from __future__ import annotations

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
from torch.nn.functional import cross_entropy

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
    begin,
    check_processes,
    interruption,
    load_checkpoint,
    make_fabric,
    save_checkpoint,
    spec_hash,
)
from trainers.lm import adamw, rate
from trainers.lm_score import device_of
from trainers.lm_variants import PACKAGES, VARIANTS, Sizes, build
from trainers.recall_report import Case, report
from trainers.recall_tasks import NOTHING, TASKS, batch_of
from trainers.sizes import parameters

MODELS = ("physics", "no-memory", "gpt")
LOGGED = 10  # steps between two lines of metrics.jsonl
WATCHED = 200  # sequences of a validation
AT_ONCE = 50  # sequences that are scored at once


@dataclass(frozen=True)
class Options:
    """What determines the result of a run; kept in the checkpoints.

    tasks    names in TASKS       models   names in VARIANTS      seeds    of weights and batches
    steps    optimiser steps      batch    sequences a step and process
    lr       peak learning rate of AdamW       gpt_lr   the same for the GPT
    width, layers, oscillators, modes, rank, memories, key, heads   see lm_variants.py
    tested   sequences of a size in the test
    every    steps between two validations and checkpoints
    """

    tasks: tuple[str, ...] = tuple(TASKS)
    models: tuple[str, ...] = MODELS
    seeds: tuple[int, ...] = (0,)
    steps: int = 1500
    batch: int = 32
    lr: float = 3e-3
    gpt_lr: float = 3e-3
    width: int = 48
    layers: int = 2
    oscillators: int = 32
    modes: int = 24
    rank: int = 16
    memories: int = 2
    key: int = 24
    heads: int = 2
    tested: int = 500
    every: int = 250

    @property
    def sizes(self) -> Sizes:
        """Of every model."""
        return Sizes(
            self.width, self.layers, self.oscillators, self.modes, self.rank, self.memories, self.key, self.heads
        )

    def cases(self) -> Iterator[Case]:
        """Every task with every model, seed by seed."""
        for seed in self.seeds:
            for task in self.tasks:
                yield from (Case(task, model, seed) for model in self.models)


SMOKE: dict[str, Any] = {"steps": 6, "batch": 4, "width": 16, "oscillators": 8, "modes": 4, "rank": 4, "key": 8,
                         "tested": 4, "every": 3}  # fmt: skip


@torch.no_grad()
def share_right(network: Any, task: str, size: int, count: int, seed: int) -> float:
    """Share of the asked symbols of ``count`` fresh sequences that the model finds likeliest."""
    network.eval()
    rng, right, asked = np.random.default_rng([seed, 1, list(TASKS).index(task), size]), 0, 0
    for begun in range(0, count, AT_ONCE):
        text, wanted = (x.to(device_of(network)) for x in TASKS[task].draw(rng, min(AT_ONCE, count - begun), size))
        found = network(text)[0].argmax(-1)
        right += int((found == wanted).sum())
        asked += int((wanted != NOTHING).sum())
    network.train()
    return right / asked


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
    """Train one model on one task; returns it. ``stop_after`` ends the loop early at that step, as an interruption
    would. Raises ResumeError when the checkpoint belongs to another spec or another number of processes."""
    variant = VARIANTS[case.model]
    torch.manual_seed(case.seed)
    network: Any = build(variant, options.sizes)
    peak = options.gpt_lr if variant.gpt else options.lr
    adam = adamw(network, peak)
    model, optimizer = fabric.setup(network, adam)
    origin: dict[str, Any] = {"package": PACKAGES[0], "spec": spec_hash(*PACKAGES), "options": asdict(options),
                              **asdict(case), "processes": fabric.world_size}  # fmt: skip
    start = begin(
        run, display, origin["spec"], network, adam, resume=resume,
        check=lambda meta: check_processes(meta, fabric, run.folder),
    )  # fmt: skip
    done = start.step
    if done == 0:
        run.log("start", step=0, **origin, parameters=parameters(network), device=str(fabric.device))
    began = time.process_time() - start.elapsed  # of the processor: other work on the machine is not counted

    def keep() -> None:
        if run.writes:
            spent = time.process_time() - began
            save_checkpoint(run.folder, network, adam, {**origin, "step": done, "elapsed": spent})

    with interruption() as stopped:
        while done < options.steps and done != stop_after and not fabric.broadcast(stopped()):
            for group in optimizer.param_groups:
                group["lr"] = peak * rate(done, options.steps)
            stream = done * fabric.world_size + fabric.global_rank
            text, wanted = (x.to(fabric.device) for x in batch_of(case.task, case.seed, stream, options.batch))
            logits, _ = model(text)
            loss = cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=NOTHING)
            optimizer.zero_grad()
            fabric.backward(loss)
            fabric.clip_gradients(model, optimizer, max_norm=1.0)
            optimizer.step()
            done += 1
            nats = float(loss.detach())
            if done % LOGGED == 0 or done == options.steps:
                run.log("train", step=done, nats=nats, lr=peak * rate(done - 1, options.steps))
            display.update(done / options.steps, step=done, loss=nats)
            if done % options.every == 0 or done == options.steps:
                if run.writes:
                    size = TASKS[case.task].trained[-1]
                    run.log("validation", step=done, right=share_right(network, case.task, size, WATCHED, case.seed))
                keep()
    if fabric.broadcast(stopped()):
        keep()
        raise KeyboardInterrupt
    if done != options.steps:
        keep()
    run.log("trained", step=done, seconds=round(time.process_time() - began, 1))
    return network


def run_all(fabric: Fabric, options: Options, folder: Path, console: Console, *, resume: bool) -> None:
    """Train and test every case of the run that has no test yet, then compare them."""

    def fit(case: Case, run: Run, display: Display, started: bool) -> Any:
        return train(fabric, options, case, run, display, resume=started)

    def examine(network: Any, case: Case, run: Run) -> None:
        sizes = TASKS[case.task].tested
        right = {str(size): share_right(network, case.task, size, options.tested, 10_000 + case.seed) for size in sizes}
        run.log("test", right=right)

    def restored(case: Case, place: Path) -> Any:
        network = build(VARIANTS[case.model], options.sizes)
        load_checkpoint(place).restore(network, None)
        return network

    networks = run_cases(fabric, options.cases(), folder, console, fit, examine, restored, resume=resume)
    if fabric.global_rank == 0:
        report(folder, list(networks), console)


def main(
    task: Annotated[list[str] | None, typer.Option(help=f"of {', '.join(TASKS)}; may be repeated; default all")] = None,
    model: Annotated[
        list[str] | None, typer.Option(help=f"of {', '.join(VARIANTS)}; may be repeated; default {', '.join(MODELS)}")
    ] = None,
    seeds: Annotated[str, typer.Option(help="of weights and batches, e.g. 0,1,2")] = "0",
    steps: Annotated[int, typer.Option(help="optimiser steps")] = Options.steps,
    batch: Annotated[int, typer.Option(help="sequences a step and process")] = Options.batch,
    lr: Annotated[float, typer.Option(help="peak learning rate of the oscillators")] = Options.lr,
    gpt_lr: Annotated[float, typer.Option(help="peak learning rate of the GPT")] = Options.gpt_lr,
    tested: Annotated[int, typer.Option(help="sequences of a size in the test")] = Options.tested,
    every: Annotated[int, typer.Option(help="steps between two validations and checkpoints")] = Options.every,
    name: Name = None,
    out: Out = ROOT / "runs" / "recall",
    resume: Resume = None,
    smoke: Smoke = False,
    accelerator: Accelerator = "auto",
    devices: Devices = 1,
    precision: Annotated[str, typer.Option(help="of Fabric")] = "32-true",
) -> None:
    """Ask the language models for what they have read: recall of pairs, induction, copying."""
    console = make_console()
    tasks, models = (
        chosen(task, tuple(TASKS), tuple(TASKS), "--task"),
        chosen(model, tuple(VARIANTS), MODELS, "--model"),
    )
    options = Options(tasks, models, seeds_of(seeds, "--seeds"), steps, batch, lr, gpt_lr, tested=tested, every=every)
    if smoke:
        options = replace(options, **SMOKE)
    folder = resume or run_folder(out, name, f"seeds{'-'.join(map(str, options.seeds))}")
    with told(console, folder):
        if resume is not None:
            options = Options(**stored_options(resume, "<task>/<model>-<seed>"))
        fabric = make_fabric(accelerator, devices, precision)
        torch.set_flush_denormal(True)
        run_all(fabric, options, folder, console, resume=resume is not None)


if __name__ == "__main__":
    typer.run(main)
