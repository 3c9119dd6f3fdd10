"""Locate the critical point of a lattice theory by the emitted Langevin steps.

    python -m trainers.criticality                       the published run: phi^4 in two dimensions, three seeds
    python -m trainers.criticality --action allen_cahn   the Ising-like energy of Allen and Cahn, driven by T
    python -m trainers.criticality --smoke               seconds; the path through the program, not a result
    python -m trainers.criticality --resume FOLDER       go on where it stopped, bit for bit

Everything a run writes lies in runs/criticality/<name>/: plan.json, results.jsonl, and a folder a seed with
metrics.jsonl, checkpoint.safetensors and transition.png.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Annotated, Any

import torch
import typer
from lightning_fabric import Fabric
from rich.console import Console

from trainers import criticality_plots
from trainers.command_line import Accelerator, Name, Out, Resume, Smoke, make_console, run_folder, tell_files, told
from trainers.common import ROOT, Display, ResumeError, Run, has_checkpoint, make_fabric
from trainers.criticality_analysis import AnalysisError, findings
from trainers.criticality_sampling import ACTIONS, Options, Unstable, sample
from trainers.durable import write_durably

PLAN, RESULTS, PICTURE = "plan.json", "results.jsonl", "transition.png"
SMOKE: dict[str, Any] = {"sizes": (4, 8), "search": ((4, 8),), "dts": (0.3,), "sites": 1024, "span": 400.0,
                         "blocks": 6, "burn": 2}  # fmt: skip


def read_plan(folder: Path) -> list[Options]:
    """The runs that were begun in this folder. Raises ResumeError where there are none."""
    path = folder / PLAN
    if not path.exists():
        raise ResumeError(f"no {PLAN} in {folder}")
    found = []
    for stored in json.loads(path.read_text()):
        pairs = tuple((pair[0], pair[1]) for pair in stored["search"])
        found.append(Options(**(stored | {"sizes": tuple(stored["sizes"]), "dts": tuple(stored["dts"]),
                                          "search": pairs})))  # fmt: skip
    return found


def run_all(fabric: Fabric, members: Sequence[Options], folder: Path, console: Console) -> None:
    """Sample what has no result yet, seed after seed; then say what all of them found."""
    folder.mkdir(parents=True, exist_ok=True)
    write_durably(folder / PLAN, json.dumps([asdict(options) for options in members]).encode())
    results = []
    for options in members:
        run = Run(folder / f"seed{options.seed}")
        if not run.records("result"):
            with Display(console, f"seed {options.seed}") as display:
                curves = sample(fabric, options, run, display, resume=has_checkpoint(run.folder))
            found = findings(curves)
            action = ACTIONS[options.action]
            known = None if action.published is None else action.published[0]
            criticality_plots.transition(curves, found, action.control, known, run.folder / PICTURE)
            trained = run.records("sampled")[-1]
            run.log("result", action=options.action, seed=options.seed, **found, published=known,
                    seconds=trained["seconds"], worked=trained["worked"], device=str(fabric.device))  # fmt: skip
        results.append(run.records("result")[-1])
    (folder / RESULTS).write_text("".join(json.dumps(result) + "\n" for result in results))
    summarise(results, members[0], console)
    tell_files(console, folder, {"figures": RESULTS, "pictures": f"seed*/{PICTURE}"})


def spread_text(values: Sequence[float]) -> str:
    """Mean and standard error over the seeds."""
    error = f" +- {stdev(values) / len(values) ** 0.5:.4f}" if len(values) > 1 else ""
    return f"{fmean(values):.4f}{error}"


def summarise(results: Sequence[dict[str, Any]], options: Options, console: Console) -> None:
    """A line a step, then the values without the error of the step, then the published one."""
    action = ACTIONS[options.action]

    def tell(text: str) -> None:
        console.print(text, soft_wrap=True, highlight=False)

    pairs = list(zip(options.sizes, options.sizes[1:], strict=False))
    tell(f"critical {action.control} of {options.action}, mean and standard error of {len(results)} seeds")
    for k, dt in enumerate(results[0]["dts"]):
        for j, (small, large) in enumerate(pairs):
            crossings = [result["crossings"][k][j] for result in results]
            tell(f"  Binder cumulants of L = {small} and {large}, dt = {dt:g}: {spread_text(crossings)}")
    tell(f"  Binder cumulants, dt -> 0: {spread_text([result['binder'] for result in results])}")
    peaks = [result["susceptibility"] for result in results if result["susceptibility"] is not None]
    if peaks:
        tell(f"  peaks of the susceptibility, dt -> 0 and L -> infinity, {len(peaks)} seeds: {spread_text(peaks)}")
    if action.published is not None:
        value, source = action.published
        off = fmean(result["binder"] for result in results) / value - 1
        tell(f"  published: {value} ({source}); the crossing is off by {100 * off:+.2f} %")


def main(
    action: Annotated[str, typer.Option(help=f"one of {', '.join(ACTIONS)}")] = Options.action,
    seeds: Annotated[str, typer.Option(help="with commas between")] = "0,1,2",
    sizes: Annotated[str, typer.Option(help="L of the lattices that decide")] = "16,32,64",
    dts: Annotated[str, typer.Option(help="steps, extrapolated to none")] = "0.1,0.2",
    points: Annotated[int, typer.Option(help="values of the control parameter")] = Options.points,
    sites: Annotated[int, typer.Option(help="L^2 times the replicas")] = Options.sites,
    span: Annotated[float, typer.Option(help="time to sample L = 16; as L for others")] = Options.span,
    name: Name = None,
    out: Out = ROOT / "runs" / "criticality",
    resume: Resume = None,
    smoke: Smoke = False,
    accelerator: Accelerator = "auto",
) -> None:
    """Locate the critical point of a lattice theory by Binder cumulants and susceptibilities of Langevin samples."""
    console = make_console()
    if action not in ACTIONS:
        raise typer.BadParameter(f"{action}; known are {', '.join(ACTIONS)}", param_hint="--action")
    given = [int(part) for part in seeds.split(",")][: 1 if smoke else None]
    base = Options(
        action, sizes=tuple(int(part) for part in sizes.split(",")), points=points, sites=sites, span=span,
        dts=tuple(float(part) for part in dts.split(",")),
    )  # fmt: skip
    if smoke:
        base = replace(base, **SMOKE)
    members = [replace(base, seed=seed) for seed in given]
    folder = resume or run_folder(out, name, action)
    with told(console, folder, AnalysisError, Unstable):
        if resume is not None:
            members = read_plan(resume)
        fabric = make_fabric(accelerator, 1, "32-true")
        torch.set_flush_denormal(True)
        run_all(fabric, members, folder, console)


if __name__ == "__main__":
    typer.run(main)
