"""Identify an arm of two joints from random actions and plan with it, beside two networks that learn from the same.

    python -m trainers.reacher                            the published run, on Reacher-v5 (extra control)
    python -m trainers.reacher --models arm --noise 0.01  identification from noisy states, --goals 0 to leave out plans
    python -m trainers.reacher --models arm,corrected --world sprung  a spring that is in no formula, and is learned
    python -m trainers.reacher --world own                without the simulator
    python -m trainers.reacher --smoke                    seconds; the path through the program, not a result
    python -m trainers.reacher --resume runs/reacher/X    go on where X stopped, bit for bit

Everything a run writes lies in runs/reacher/<name>/: plan.json, comparison.jsonl, comparison.png, and a folder with
metrics.jsonl and checkpoint.safetensors for every model, number of episodes and seed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from lightning_fabric import Fabric
from rich.console import Console

from trainers.command_line import (
    Accelerator,
    Devices,
    Name,
    Out,
    Resume,
    Smoke,
    make_console,
    run_folder,
    tell_file,
    told,
)
from trainers.common import ROOT, Display, ResumeError, Run, has_checkpoint, make_fabric
from trainers.durable import write_durably
from trainers.reacher_report import report
from trainers.reacher_training import ALL, MODELS, TUNED, Options, Task, examine, train
from trainers.reacher_worlds import WORLDS, WorldError

PLAN = "plan.json"
SMOKE: dict[str, Any] = {"world": "own", "steps": 4, "hidden": 8, "batch": 8, "goals": 3, "plans": 8, "every": 2}
Members = Sequence[tuple[Path, Options]]


def numbers_of(text: str, flag: str) -> tuple[int, ...]:
    """Different whole numbers separated by commas."""
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if not numbers or len(set(numbers)) < len(numbers) or min(numbers) < 0:
        raise typer.BadParameter(f"{text!r} is not a list of different numbers like 0,1,2", param_hint=flag)
    return numbers


def plan_of(base: Options, models: Sequence[str], episodes: Sequence[int], seeds: Sequence[int]) -> list[Options]:
    """Every model on every amount of data, seed after seed."""
    return [
        replace(base, **{**TUNED[model], "model": model, "episodes": count, "seed": seed})
        for seed in seeds for count in episodes for model in models
    ]  # fmt: skip


def keep_plan(fabric: Fabric, plan: Sequence[Options], folder: Path) -> None:
    """Write what is to run, before the first begins. Raises ResumeError where the folder has a plan."""
    if fabric.broadcast((folder / PLAN).exists()):
        raise ResumeError(f"{folder} holds a plan: --resume {folder} goes on with it, another --name begins one")
    if fabric.global_rank == 0:
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps([asdict(options) for options in plan]) + "\n"
        write_durably(folder / PLAN, text.encode())


def read_plan(folder: Path) -> Members:
    """The runs of a folder. Raises ResumeError where none were begun."""
    if not (folder / PLAN).exists():
        raise ResumeError(f"no {PLAN} in {folder}")
    plan = [Options(**kept) for kept in json.loads((folder / PLAN).read_text())]
    return [(folder / f"{o.model}-{o.episodes}-seed{o.seed}", o) for o in plan]


def run_all(fabric: Fabric, members: Members, console: Console) -> None:
    """Train and test what has no test record yet, one after the other."""
    main_process = fabric.global_rank == 0
    for number, (folder, options) in enumerate(members, 1):
        run = Run(folder, writes=main_process)
        if fabric.broadcast(bool(run.records("test"))):
            continue
        task, started = Task.make(options), fabric.broadcast(has_checkpoint(folder))
        with Display(console, f"{number}/{len(members)} {folder.name}", shown=main_process) as display:
            network = train(fabric, options, task, run, display, resume=started)
        if main_process:
            with Display(console, f"{number}/{len(members)} {folder.name}, goals") as display:
                examine(network, options, task, run, display)
            test = run.records("test")[-1]
            reached = f"{100 * test['success']:.1f} % of goals, " if "success" in test else ""
            console.print(
                f"{folder.name}: {reached}angles off by {test['angle_error']:.2g} rad", soft_wrap=True, highlight=False
            )
        fabric.barrier()


def main(
    models: Annotated[str, typer.Option(help=", ".join(ALL))] = ",".join(MODELS),
    episodes: Annotated[str, typer.Option(help="of random actions to learn from")] = "1,2,5,20",
    seeds: Annotated[str, typer.Option(help="of data, weights and plans")] = "0,1,2",
    noise: Annotated[float, typer.Option(help="of the angles as seen, rad; of the speeds ten times that, rad/s")] = 0.0,
    world: Annotated[str, typer.Option(help=", ".join(WORLDS))] = Options.world,
    goals: Annotated[int, typer.Option(help="unseen ones of the test; 0 for none")] = Options.goals,
    plans: Annotated[int, typer.Option(help="that are tried at a time")] = Options.plans,
    name: Name = None,
    out: Out = ROOT / "runs" / "reacher",
    resume: Resume = None,
    smoke: Smoke = False,
    accelerator: Accelerator = "auto",
    devices: Devices = 1,
) -> None:
    """Identify an arm from random actions, plan with it; beside two networks that learn from the same episodes."""
    console = make_console()
    chosen = tuple(models.split(","))
    if any(model not in ALL for model in chosen) or len(set(chosen)) < len(chosen):
        raise typer.BadParameter(f"{models!r} is not a list of some of {', '.join(ALL)}", param_hint="--models")
    if world not in WORLDS:
        raise typer.BadParameter(f"{world!r} is not one of {', '.join(WORLDS)}", param_hint="--world")
    base = Options(world=world, noise=noise, goals=goals, plans=plans)
    plan = plan_of(base, chosen, numbers_of(episodes, "--episodes"), numbers_of(seeds, "--seeds"))
    if smoke:
        plan = [replace(options, **SMOKE) for options in plan_of(base, chosen, (1,), (0,))]
    folder = resume or run_folder(out, name, "compare")
    with told(console, folder, WorldError):
        fabric = make_fabric(accelerator, devices, "32-true")
        if resume is None:
            keep_plan(fabric, plan, folder)
        members = read_plan(folder)
        run_all(fabric, members, console)
        if fabric.global_rank == 0:
            tables, written = report(members, folder)
            for table in tables:
                console.print(table)
            for path in written:
                tell_file(console, "wrote", path)
        fabric.barrier()


if __name__ == "__main__":
    typer.run(main)
