"""What a run of density models found: a record a case, a table with spreads over the seeds, pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from rich.console import Console
from rich.table import Table

from trainers.command_line import tell_files
from trainers.common import Run
from trainers.flow_networks import VARIANTS
from trainers.flow_plots import learning_curves, sample_histograms

COMPARISON = "comparison.jsonl"


@dataclass(frozen=True)
class Case:
    """One model to be trained: names in DENSITIES and VARIANTS, and a seed."""

    density: str
    model: str
    seed: int

    @property
    def folder(self) -> Path:
        return Path(self.density) / f"{self.model}-{self.seed}"


def record_of(folder: Path, case: Case) -> dict[str, Any]:
    """A flat record of a case; ``missed`` is how many nats it has more than the density itself, on the same points."""
    run = Run(folder / case.folder, writes=False)
    start, test, trained = run.records("start")[0], run.records("test")[-1], run.records("trained")[-1]
    figures = {name: value for name, value in test.items() if name != "event"}
    return {
        "density": case.density, "model": case.model, "seed": case.seed, "parameters": start["parameters"],
        "steps": trained["step"], "missed": test["nats"] - test["nats_of_density"], **figures,
        "seconds": trained["seconds"], "device": start["device"],
    }  # fmt: skip


def comparison_table(records: Sequence[Mapping[str, Any]]) -> Table:
    """A row a density and model: means over the seeds, and the spread of the nats."""
    title = (
        f"nats on test points (K = {max(r['importance'] for r in records)} momenta a point for the Hamiltonian flows)"
    )
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    for heading in ("density", "model"):
        table.add_column(heading, no_wrap=True)
    for heading in ("parameters", "nats", "least", "most", "of density", "missed", "symmetry", "in float64", "CPU s"):
        table.add_column(heading, justify="right", no_wrap=True)
    for key in dict.fromkeys((r["density"], r["model"]) for r in records):
        own = [r for r in records if (r["density"], r["model"]) == key]
        nats = [r["nats"] for r in own]
        figures = [mean(nats), min(nats), max(nats), mean(r["nats_of_density"] for r in own)]
        figures.append(mean(r["missed"] for r in own))
        errors = [f"{max(r[name] for r in own):.1e}" for name in ("symmetry", "symmetry64")]
        row = [key[0], VARIANTS[key[1]].title, str(own[0]["parameters"]), *(f"{v:.3f}" for v in figures), *errors]
        table.add_row(*row, f"{mean(r['seconds'] for r in own):.0f}")
    return table


def report(folder: Path, networks: Mapping[Case, Any], console: Console) -> None:
    """Print the table, draw the pictures, write comparison.jsonl, say where everything is."""
    records = [record_of(folder, case) for case in networks]
    (folder / COMPARISON).write_text("".join(json.dumps(record) + "\n" for record in records))
    curves = {case: Run(folder / case.folder, writes=False).records("validation") for case in networks}
    learning_curves(curves, records, folder / "learning.png")
    sample_histograms(networks, folder / "samples.png")
    console.print(comparison_table(records))
    tell_files(console, folder, {"samples": "samples.png", "learning curves": "learning.png", "figures": COMPARISON})
