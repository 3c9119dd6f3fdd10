"""What a comparison found: a record a run as JSON lines, a table of success and rollouts, one of identified numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from rich.table import Table

from trainers import reacher_plots
from trainers.common import Run
from trainers.durable import write_durably
from trainers.reacher_training import Options

Record = Mapping[str, Any]
LINES, PICTURE = "comparison.jsonl", "comparison.png"


def record_of(options: Options, folder: Path) -> Record:
    run = Run(folder, writes=False)
    start, trained, test = (run.records(event)[-1] for event in ("start", "trained", "test"))
    shared = {key: start["options"][key] for key in ("model", "episodes", "seed", "noise")}
    shared |= {"parameters": start["parameters"], "windows": start["windows"], "training": trained["seconds"]}
    return shared | {key: value for key, value in test.items() if key != "event"}


def results_table(records: Sequence[Record]) -> Table:
    """Success with its standard error over goals, mean and range over seeds; rollouts on held-out episodes."""
    seeds = ", ".join(str(seed) for seed in dict.fromkeys(r["seed"] for r in records))
    title = f"seed {seeds}; {max(r.get('goals', 0) for r in records)} unseen goals"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    for heading in ("episodes", "model", "parameters", "success, %", "least..most", "s.e.", "miss, mm", "angles, rad",
                    "train, s", "test, s"):  # fmt: skip
        table.add_column(heading, justify="left" if heading == "model" else "right", no_wrap=True)
    groups: dict[tuple[int, str], list[Record]] = {}
    for record in records:
        groups.setdefault((record["episodes"], record["model"]), []).append(record)
    for (episodes, model), some in sorted(groups.items(), key=lambda item: item[0][0]):
        if "success" in some[0]:
            found = [100 * r["success"] for r in some]
            error = 100 * fmean(r["standard_error"] for r in some)
            reached = [
                f"{fmean(found):.1f}",
                f"{min(found):.1f}..{max(found):.1f}",
                f"{error:.1f}",
                _mean(some, "median_mm"),
            ]
        else:
            reached = ["", "", "", ""]
        table.add_row(str(episodes), model, str(some[0]["parameters"]), *reached,
                      *(_mean(some, key) for key in ("angle_error", "training", "seconds")))  # fmt: skip
    return table


def _mean(records: Sequence[Record], key: str) -> str:
    return f"{fmean(r[key] for r in records):.3g}"


def numbers_table(record: Record) -> Table:
    """What one run of the arm identified, beside the numbers of the simulator."""
    title = f"identified from {record['episodes']} episodes, seed {record['seed']}, noise {record['noise']:g}"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    for heading in ("number", "found", "error", "simulator", "off, errors"):
        table.add_column(heading, justify="left" if heading == "number" else "right", no_wrap=True)
    for name, one in record["numbers"].items():
        told = one["error"] is not None
        off = f"{(one['found'] - one['truth']) / one['error']:+.1f}" if told and one["error"] else ""
        error = f"{one['error']:.2g}" if told else "not told by the data"
        table.add_row(name, f"{one['found']:.7g}", error, f"{one['truth']:.7g}", off)
    return table


def report(members: Sequence[tuple[Path, Options]], folder: Path) -> tuple[list[Table], list[Path]]:
    """Tables of the runs that have been tested; JSON lines and picture are written."""
    records = [record_of(options, path) for path, options in members if Run(path, writes=False).records("test")]
    lines, picture = folder / LINES, folder / PICTURE
    write_durably(lines, "".join(json.dumps(record) + "\n" for record in records).encode())
    reacher_plots.comparison(records, picture)
    arms = [record for record in records if "numbers" in record]
    tables = [results_table(records), *(numbers_table(record) for record in _one_each(arms))]
    return tables, [lines, picture]


def _one_each(arms: Sequence[Record]) -> list[Record]:
    """The first seed of every number of episodes."""
    first: dict[int, Record] = {}
    for record in arms:
        first.setdefault(record["episodes"], record)
    return list(first.values())
