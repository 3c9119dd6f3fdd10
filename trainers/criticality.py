"""Locate the critical point of a lattice theory by the emitted Langevin steps.

    python -m trainers.criticality                       the published run: phi^4 in two dimensions, three seeds
    python -m trainers.criticality --action soft_spins   an Ising-like energy, driven by its temperature
    python -m trainers.criticality --smoke               seconds; the path through the program, not a result
    python -m trainers.criticality --resume FOLDER       go on where it stopped, bit for bit

Everything a run writes lies in runs/criticality/<name>/: comparison.jsonl, transition.png, step.png, fields.png, and
for every action and seed a folder with metrics.jsonl and checkpoint.safetensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from lightning_fabric import Fabric
from rich.console import Console

from trainers.cases import run_cases, stored_options
from trainers.cifar_options import seeds_of
from trainers.command_line import Accelerator, Name, Out, Resume, Smoke, chosen, make_console, run_folder, told
from trainers.common import ROOT, Display, Run, make_fabric
from trainers.criticality_analysis import AnalysisError, Curve, findings
from trainers.criticality_report import report
from trainers.criticality_sampling import ACTIONS, Case, Options, Unstable, curves_of, sample

SMOKE: dict[str, Any] = {
    "seeds": (0,), "sizes": (4, 8), "search": 4, "dts": (0.2, 0.3), "chains": 8, "span": 120.0, "blocks": 4,
    "burn": 1, "samples": 5,
}  # fmt: skip


def run_all(fabric: Fabric, options: Options, folder: Path, console: Console, *, resume: bool) -> None:
    """Sample every case of the run that has no findings yet, then say what all of them found."""

    def draw(case: Case, run: Run, display: Display, started: bool) -> Sequence[Curve]:
        return sample(fabric, options, case, run, display, resume=started)

    def examine(curves: Sequence[Curve], case: Case, run: Run) -> None:
        run.log("test", **findings(curves))

    def restored(case: Case, place: Path) -> Sequence[Curve]:
        return curves_of(Run(place, writes=False).records("cell"), ACTIONS[case.action])

    found = run_cases(fabric, options.cases(), folder, console, draw, examine, restored, resume=resume)
    report(folder, found, console)


def numbers_of(text: str, flag: str, kind: type[int] | type[float]) -> tuple[Any, ...]:
    """Different positive numbers separated by commas, smallest first."""
    try:
        found = sorted({kind(part) for part in text.split(",")})
    except ValueError:
        found = []
    if not found or found[0] <= 0:
        raise typer.BadParameter(f"{text!r} is not a list of positive numbers", param_hint=flag)
    return tuple(found)


def main(
    action: Annotated[
        list[str] | None, typer.Option(help=f"of {', '.join(ACTIONS)}; may be repeated; default phi4")
    ] = None,
    seeds: Annotated[str, typer.Option(help="of starts and noise, e.g. 0,1,2")] = "0,1,2",
    sizes: Annotated[str, typer.Option(help="L of the lattices that decide")] = "16,32,64",
    dts: Annotated[str, typer.Option(help="steps, extrapolated to none")] = "0.15,0.2,0.3",
    points: Annotated[int, typer.Option(help="values of the control parameter")] = Options.points,
    chains: Annotated[int, typer.Option(help="of L = 64; as 1/L for others")] = Options.chains,
    span: Annotated[float, typer.Option(help="time of a chain of L = 16; as L for others")] = Options.span,
    friction: Annotated[float, typer.Option(help="gamma L; 1e7 is the overdamped limit")] = Options.friction,
    name: Name = None,
    out: Out = ROOT / "runs" / "criticality",
    resume: Resume = None,
    smoke: Smoke = False,
    accelerator: Accelerator = "auto",
) -> None:
    """Locate the critical point of a lattice theory by Binder cumulants and susceptibilities of Langevin samples."""
    console = make_console()
    options = Options(
        chosen(action, tuple(ACTIONS), Options.actions, "--action"), seeds_of(seeds, "--seeds"),
        numbers_of(sizes, "--sizes", int), dts=numbers_of(dts, "--dts", float), points=points, chains=chains, span=span,
        friction=friction,
    )  # fmt: skip
    if len(options.sizes) < 2:
        raise typer.BadParameter(f"{sizes}: cumulants of one size cross nothing", param_hint="--sizes")
    if smoke:
        options = replace(options, **SMOKE)
    folder = resume or run_folder(out, name, "-".join(options.actions))
    with told(console, folder, AnalysisError, Unstable):
        if resume is not None:
            options = Options(**stored_options(resume, "<action>/seed<seed>"))
        fabric = make_fabric(accelerator, 1, "32-true")
        torch.set_flush_denormal(True)
        run_all(fabric, options, folder, console, resume=resume is not None)


if __name__ == "__main__":
    typer.run(main)
