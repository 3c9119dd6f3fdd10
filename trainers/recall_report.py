"""What a run of recall found: a record a case, a table, learning curves."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import matplotlib
from rich.console import Console
from rich.table import Table

from trainers.command_line import tell_files
from trainers.common import Run
from trainers.lm_variants import VARIANTS
from trainers.recall_tasks import TASKS

matplotlib.use("Agg")
import matplotlib.pyplot as plt

COMPARISON = "comparison.jsonl"


@dataclass(frozen=True)
class Case:
    """One model to be trained: names in TASKS and VARIANTS, and a seed."""

    task: str
    model: str
    seed: int

    @property
    def folder(self) -> Path:
        return Path(self.task) / f"{self.model}-{self.seed}"


def record_of(folder: Path, case: Case) -> dict[str, Any]:
    """A flat record of a case; ``right`` is the share of right answers by size."""
    run = Run(folder / case.folder, writes=False)
    start, test, trained = run.records("start")[0], run.records("test")[-1], run.records("trained")[-1]
    return {
        "task": case.task, "model": case.model, "seed": case.seed, "parameters": start["parameters"],
        "steps": trained["step"], "right": test["right"], "seconds": trained["seconds"], "device": start["device"],
    }  # fmt: skip


def comparison_table(records: Sequence[Mapping[str, Any]]) -> Table:
    """A row a task and size, a column a model: mean over the seeds, least and most where there are several."""
    models = list(dict.fromkeys(record["model"] for record in records))
    table = Table(title="share of right answers", title_justify="left", box=None, padding=(0, 1, 0, 0))
    table.add_column("task", no_wrap=True)
    for heading in ("size", "a guess", *(VARIANTS[model].title for model in models)):
        table.add_column(heading, justify="right", no_wrap=True)
    for task in dict.fromkeys(record["task"] for record in records):
        for size in TASKS[task].tested:
            row = [task, f"{size}{' (not trained)' if size > max(TASKS[task].trained) else ''}"]
            row.append(f"{TASKS[task].guess:.3f}")
            for model in models:
                own = [r["right"][str(size)] for r in records if (r["task"], r["model"]) == (task, model)]
                spread = f" {min(own):.3f}-{max(own):.3f}" if len(own) > 1 else ""
                row.append(f"{mean(own):.3f}{spread}")
            table.add_row(*row)
    return table


def learning_curves(folder: Path, cases: Sequence[Case], path: Path) -> None:
    """A panel a task: share of right answers of the longest trained size against steps, a line a model and seed."""
    tasks = list(dict.fromkeys(case.task for case in cases))
    models = list(dict.fromkeys(case.model for case in cases))
    figure, grid = plt.subplots(1, len(tasks), figsize=(3.2 * len(tasks), 3), squeeze=False, constrained_layout=True)
    for axes, task in zip(grid[0], tasks, strict=True):
        for case in (case for case in cases if case.task == task):
            curve = Run(folder / case.folder, writes=False).records("validation")
            label = VARIANTS[case.model].title if case.seed == cases[0].seed else None
            color = f"C{models.index(case.model)}"
            axes.plot([r["step"] for r in curve], [r["right"] for r in curve], marker=".", color=color, label=label)
        axes.set(title=task, xlabel="steps", ylim=(-0.03, 1.03))
        axes.grid(alpha=0.3)
    grid[0][0].set_ylabel("share of right answers")
    grid[0][0].legend(frameon=False, fontsize="small")
    figure.savefig(path, dpi=130)
    plt.close(figure)


def report(folder: Path, cases: Sequence[Case], console: Console) -> None:
    """Print the table, draw the curves, write comparison.jsonl, say where everything is."""
    records = [record_of(folder, case) for case in cases]
    (folder / COMPARISON).write_text("".join(json.dumps(record) + "\n" for record in records))
    learning_curves(folder, cases, folder / "learning.png")
    console.print(comparison_table(records))
    tell_files(console, folder, {"learning curves": "learning.png", "figures": COMPARISON})
