"""What a run of films found: a record a case, a table with the seeds beside the means, pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from rich.console import Console
from rich.table import Table

from trainers.command_line import tell_files
from trainers.common import Run
from trainers.hgn_model import VARIANTS, Film
from trainers.hgn_plots import film_strips, learning_curves
from trainers.hgn_training import Case, Options

COMPARISON = "comparison.jsonl"
HEADINGS = ("parameters", "error", "of seeds", "still", "far", "within", "back", "fast", "slow", "drift", "far drift",
            "CPU s")  # fmt: skip
FIGURES = ("far_error", "frames_within", "backwards", "faster", "slower", "drift", "far_drift")


def record_of(folder: Path, case: Case) -> dict[str, Any]:
    """A flat record of a case."""
    run = Run(folder / case.folder, writes=False)
    start, test, trained = run.records("start")[0], run.records("test")[-1], run.records("trained")[-1]
    figures = {name: value for name, value in test.items() if name != "event"}
    return {
        "system": case.system, "model": case.model, "seed": case.seed, "parameters": start["parameters"],
        "steps": trained["step"], **figures, "seconds": trained["seconds"], "device": start["device"],
    }  # fmt: skip


def comparison_table(records: Sequence[Mapping[str, Any]]) -> Table:
    """A row a system and model: means over the seeds, of the pixel error every seed as well."""
    seeds = ", ".join(str(seed) for seed in dict.fromkeys(r["seed"] for r in records))
    title = f"mean square pixel errors in thousandths, seed {seeds}; drift in standard deviations of the energy"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    for heading in ("system", "model"):
        table.add_column(heading, no_wrap=True)
    for heading in HEADINGS:
        table.add_column(heading, justify="right", no_wrap=True)
    for key in dict.fromkeys((r["system"], r["model"]) for r in records):
        own = [r for r in records if (r["system"], r["model"]) == key]
        errors = " ".join(f"{1000 * r['pixel_error']:.3g}" for r in own)
        table.add_row(key[0], VARIANTS[key[1]].title, str(own[0]["parameters"]), _mean(own, "pixel_error"), errors,
                      _mean(own, "still_error"), *(_mean(own, name) for name in FIGURES),
                      f"{fmean(r['seconds'] for r in own):.0f}")  # fmt: skip
    return table


def _mean(records: Sequence[Mapping[str, Any]], name: str) -> str:
    """A mean over seeds; of errors in thousandths. Empty where the model has no such figure."""
    if name not in records[0]:
        return ""
    plain = name in ("frames_within", "drift", "far_drift")
    return f"{(1 if plain else 1000) * fmean(r[name] for r in records):.3g}"


def report(folder: Path, options: Options, networks: Mapping[Case, Film], console: Console) -> None:
    """Print the table, draw the pictures, write comparison.jsonl, say where everything is."""
    records = [record_of(folder, case) for case in networks]
    (folder / COMPARISON).write_text("".join(json.dumps(record) + "\n" for record in records))
    curves = {case: Run(folder / case.folder, writes=False).records("validation") for case in networks}
    learning_curves(curves, folder / "learning.png")
    film_strips(networks, options, folder / "films.png")
    console.print(comparison_table(records))
    tell_files(console, folder, {"films": "films.png", "learning curves": "learning.png", "figures": COMPARISON})
