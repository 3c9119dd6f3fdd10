"""Gated linear networks that learn online by the emitted step, without backpropagation, beside a perceptron with it.

    python -m trainers.gln                           both tasks and models, three seeds
    python -m trainers.gln --task bits --data FILE   the bits of a text of your own, one pass
    python -m trainers.gln --smoke                   seconds; the path through the program, not a result
    python -m trainers.gln --resume runs/gln/X       go on where X stopped, bit for bit

Everything a run writes lies in runs/gln/<name>/: plan.json, comparison.jsonl, learning.png, and a folder a run with
metrics.jsonl and checkpoint.safetensors.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from lightning_fabric import Fabric
from rich.console import Console

from trainers import images, lm_data
from trainers.cifar_options import seeds_of
from trainers.command_line import Accelerator, Name, Out, Resume, Smoke, make_console, run_folder, told
from trainers.common import ROOT, Display, ResumeError, Run, has_checkpoint, make_fabric
from trainers.durable import write_durably
from trainers.gln_report import report
from trainers.gln_tasks import FOLDS
from trainers.gln_training import MODELS, TASKS, Options, as_options, examine, load_task, train

PLAN = "plan.json"
# What was found best for each task, see README.md.
TUNED: dict[str, dict[str, Any]] = {  # the defaults of Options are those of digits
    "digits": {},
    "bits": {
        "chunk": 16_384,
        "every": 8,
        "widths": (8, 1),
        "start": 0.3,
        "limit": 8.0,
        "first": 0.3,
        "later": 0.1,
        "hidden": (256,),
        "batch": 16,
    },
}
SMOKE: dict[str, dict[str, Any]] = {
    "digits": {"widths": (4, 1), "planes": 2, "hidden": (16,), "batch": 16},
    "bits": {
        "size": 512,
        "tested": 64,
        "chunk": 1024,
        "every": 2,
        "widths": (4, 1),
        "regions": 256,
        "hidden": (16,),
        "batch": 16,
    },
}


def members_of(
    tasks: Sequence[str], models: Sequence[str], seeds: Sequence[int], folds: int, changes: dict[str, Any], smoke: bool
) -> list[Options]:
    """The runs of a comparison, in their order."""
    members = []
    for task in tasks:
        given = TUNED[task] | changes | (SMOKE[task] if smoke else {})
        # Another sixth of the digits for every seed: their spread is that of the tested images as well.
        places = {seed: [(seed + k) % FOLDS for k in range(folds)] if task == "digits" else [0] for seed in seeds}
        members += [
            Options(task=task, model=model, seed=seed, fold=fold, **given)
            for seed in seeds for fold in places[seed] for model in models
        ]  # fmt: skip
    return members


def read_plan(folder: Path) -> list[Options]:
    """The runs that were begun in this folder. Raises ResumeError where there are none."""
    path = folder / PLAN
    if not path.exists():
        raise ResumeError(f"no {PLAN} in {folder}")
    return [as_options(stored) for stored in json.loads(path.read_text())]


def run_all(fabric: Fabric, members: Sequence[Options], folder: Path, console: Console) -> None:
    """What has no test record yet learns and is tested, one after the other; then all are compared."""
    for number, options in enumerate(members, 1):
        run = Run(folder / options.name)
        if run.records("test"):
            continue
        task = load_task(options)
        with Display(console, f"{number}/{len(members)} {options.name}") as display:
            learner = train(fabric, options, task, run, display, resume=has_checkpoint(run.folder))
        examine(learner, task, run)
    report(members, folder, console)


def keep_plan(members: Sequence[Options], folder: Path) -> None:
    """Write what is to run, before the first begins. Raises ResumeError where the folder has a plan."""
    if (folder / PLAN).exists():
        raise ResumeError(f"{folder} holds a plan: --resume {folder} goes on with it, another --name begins one")
    folder.mkdir(parents=True, exist_ok=True)
    write_durably(folder / PLAN, json.dumps([asdict(options) for options in members]).encode())


def main(
    task: Annotated[str, typer.Option(help=f"of {', '.join(TASKS)}, with commas between")] = ",".join(TASKS),
    models: Annotated[str, typer.Option(help=f"of {', '.join(MODELS)}, with commas between")] = ",".join(MODELS),
    seeds: Annotated[str, typer.Option(help="with commas between")] = "0,1,2",
    folds: Annotated[int, typer.Option(help="sixths of the digits that a seed tests in turn")] = 1,
    data: Annotated[str | None, typer.Option(help="a text file; default: the standard library's source")] = None,
    size: Annotated[int, typer.Option(help="bytes of text to learn from")] = Options.size,
    tested: Annotated[int, typer.Option(help="bytes of text to test with")] = Options.tested,
    first: Annotated[float | None, typer.Option(help="rate of neurons that read the data")] = None,
    later: Annotated[float | None, typer.Option(help="rate of neurons that read forecasts")] = None,
    power: Annotated[float | None, typer.Option(help="how fast both fall")] = None,
    lr: Annotated[float | None, typer.Option(help="of the perceptron")] = None,
    batch: Annotated[int | None, typer.Option(help="of the perceptron")] = None,
    name: Name = None,
    out: Out = ROOT / "runs" / "gln",
    resume: Resume = None,
    smoke: Smoke = False,
    accelerator: Accelerator = "auto",
) -> None:
    """Learn online by the emitted step, and by backpropagation, from digits and from the bits of a text."""
    console = make_console()
    for given, known, flag in ((task, TASKS, "--task"), (models, MODELS, "--models")):
        unknown = [word for word in given.split(",") if word not in known]
        if unknown:
            raise typer.BadParameter(f"{', '.join(unknown)}; known are {', '.join(known)}", param_hint=flag)
    wanted: dict[str, Any] = {"first": first, "later": later, "power": power, "lr": lr, "batch": batch}
    changes = {key: value for key, value in wanted.items() if value is not None}
    changes |= {"data": data, "size": size, "tested": tested}
    places = 1 if smoke else folds
    chosen = seeds_of(seeds, "--seeds")[: 1 if smoke else None]
    members = members_of(task.split(","), models.split(","), chosen, places, changes, smoke)
    folder = resume or run_folder(out, name, f"seed{members[0].seed}")
    with told(console, folder, lm_data.DataError, images.DataError):
        if resume is None:
            keep_plan(members, folder)
        else:
            members = read_plan(resume)
        fabric = make_fabric(accelerator, 1, "32-true")
        torch.set_flush_denormal(True)
        run_all(fabric, members, folder, console)


if __name__ == "__main__":
    typer.run(main)
