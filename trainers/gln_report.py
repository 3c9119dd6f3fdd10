"""What a comparison of one pass found: records a task and model, a table, and the learning curves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from rich.console import Console
from rich.table import Table

from trainers.command_line import tell_files
from trainers.common import Run
from trainers.gln_training import Options

COMPARISON, PICTURE = "comparison.jsonl", "learning.png"
TITLES = {"gated": "gated linear network", "mlp": "MLP, backpropagation"}
FIGURE = {"digits": "accuracy", "bits": "bits_per_byte"}
WORDS = {"digits": "accuracy, %", "bits": "bits/byte"}


def shown(task: str, value: float) -> float:
    return 100 * value if task == "digits" else value


def record_of(options: Options, folder: Path) -> dict[str, Any]:
    """The figures of one run: online, every observation before it was learned from, and of the test."""
    run = Run(folder / options.name, writes=False)
    start, trained, test = (run.records(event)[-1] for event in ("start", "trained", "test"))
    figure = FIGURE[options.task]
    parts = run.records("train")
    online = sum(r[figure] * r["observations"] for r in parts) / sum(r["observations"] for r in parts)
    return {
        "task": options.task, "model": options.model, "seed": options.seed, "fold": options.fold,
        "parameters": start["parameters"], "observations": sum(r["observations"] for r in parts), "online": online,
        "test": test[figure], "tested": test["observations"], "seconds": trained["seconds"],
        "worked": trained["worked"], "device": start["device"],
    }  # fmt: skip


def summaries(members: Sequence[Options], folder: Path) -> list[dict[str, Any]]:
    """A line a task and model: means over folds for every seed, then their mean."""
    records = [record_of(options, folder) for options in members]
    lines = []
    for task, model in dict.fromkeys((r["task"], r["model"]) for r in records):
        mine = [r for r in records if (r["task"], r["model"]) == (task, model)]
        seeds = list(dict.fromkeys(r["seed"] for r in mine))
        of_seed = {key: [fmean(r[key] for r in mine if r["seed"] == seed) for seed in seeds]
                   for key in ("online", "test", "seconds", "worked")}  # fmt: skip
        lines.append({
            "task": task, "model": model, "seeds": seeds, "folds": len({r["fold"] for r in mine}),
            "parameters": mine[0]["parameters"], "observations": mine[0]["observations"],
            **{key: fmean(values) for key, values in of_seed.items()},
            **{f"{key}_of_seeds": values for key, values in of_seed.items()}, "device": mine[0]["device"],
        })  # fmt: skip
    return lines


def comparison_table(lines: Sequence[dict[str, Any]]) -> Table:
    table = Table(title="one pass", title_justify="left", box=None, padding=(0, 1, 0, 0))
    for name in ("task", "model", "parameters", "observations", "online", "test", "seeds", "seconds", "of a CPU"):
        table.add_column(name, justify="left" if name in ("task", "model") else "right", no_wrap=True)
    for line in lines:
        task = line["task"]
        test = [f"{shown(task, value):.2f}" for value in line["test_of_seeds"]]
        table.add_row(
            f"{task} ({WORDS[task]})", line["model"], str(line["parameters"]), str(line["observations"]),
            f"{shown(task, line['online']):.2f}", f"{shown(task, line['test']):.2f}", ", ".join(test),
            f"{line['seconds']:.1f}", f"{line['worked']:.1f}",
        )  # fmt: skip
    return table


def learning_curves(members: Sequence[Options], folder: Path, path: Path) -> None:
    """Figures of every chunk before it was learned from, a line a run, a panel a task."""
    tasks = list(dict.fromkeys(options.task for options in members))
    figure, panels = plt.subplots(1, len(tasks), figsize=(5 * len(tasks), 3.6), constrained_layout=True, squeeze=False)
    for axes, task in zip(panels[0], tasks, strict=True):
        named = set()
        for options in members:
            if options.task != task:
                continue
            parts = Run(folder / options.name, writes=False).records("train")
            seen = [sum(r["observations"] for r in parts[: k + 1]) for k in range(len(parts))]
            label = None if options.model in named else TITLES[options.model]
            named.add(options.model)
            colour = "#1f4e9c" if options.model == "gated" else "#d1352b"
            values = [shown(task, r[FIGURE[task]]) for r in parts]
            axes.plot(seen, values, marker=".", color=colour, alpha=0.7, label=label)
        axes.set(title=task, xlabel="observations read", ylabel=f"{WORDS[task]}, before learning")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def report(members: Sequence[Options], folder: Path, console: Console) -> None:
    """Print the table, draw the curves, write comparison.jsonl, say where everything is."""
    lines = summaries(members, folder)
    (folder / COMPARISON).write_text("".join(json.dumps(line) + "\n" for line in lines))
    learning_curves(members, folder, folder / PICTURE)
    console.print(comparison_table(lines))
    tell_files(console, folder, {"learning curves": PICTURE, "figures": COMPARISON})
