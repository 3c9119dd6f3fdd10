"""What a study of image runs found: a record a run as JSON lines, a table with a line a label, a picture."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from rich.table import Table

from trainers import cifar_plots
from trainers.cifar_studies import ABLATION, Member, Study
from trainers.common import Run

Record = Mapping[str, Any]


def records_of(study: Study, folder: Path) -> dict[str, list[Record]]:
    """The records of every label, one a seed. ``difference`` is the accuracy minus that of the first label, of the
    same seed."""
    found = {label: [_record(member, folder) for member in members] for label, members in study.groups()}
    first = {record["seed"]: record["accuracy"] for record in next(iter(found.values()))}
    return {
        label: [{**record, "difference": record["accuracy"] - first[record["seed"]]} for record in records]
        for label, records in found.items()
    }


def _record(member: Member, folder: Path) -> Record:
    run, options = Run(folder / member.name, writes=False), member.options
    start, trained, test = (run.records(event)[-1] for event in ("start", "trained", "test"))
    return {
        "label": member.label, "model": options.model, "variant": options.variant, "steps": options.steps,
        "seed": options.seed, "parameters": start["parameters"], "lr": options.lr, "epochs": trained["epochs"],
        "accuracy": test["accuracy"], "images": test["images"], "seconds": trained["seconds"],
        "seconds_per_epoch": trained["seconds"] / trained["epochs"], "device": start["device"],
    }  # fmt: skip


def ablation_table(found: Mapping[str, Sequence[Record]]) -> Table:
    """Accuracy of every variant beside that of the full model; means over the seeds."""
    table = _table("ablation", found, "variant", "parameters", "K", "accuracy, %", "to full", "seconds")
    for records in found.values():
        one = records[0]
        values = [f"{100 * _mean(records, 'accuracy'):.2f}", f"{100 * _mean(records, 'difference'):+.2f}",
                  f"{_mean(records, 'seconds'):.1f}"]  # fmt: skip
        table.add_row(one["variant"], str(one["parameters"]), str(one["steps"]), *values)
    return table


def comparison_table(found: Mapping[str, Sequence[Record]]) -> Table:
    """Accuracy of every model, mean and spread over the seeds, and what an epoch costs."""
    table = _table("comparison", found, "model", "parameters", "lr", "accuracy, %", "min..max", "s/epoch")
    for label, records in found.items():
        accuracies = [100 * record["accuracy"] for record in records]
        values = [f"{fmean(accuracies):.2f}", f"{min(accuracies):.2f}..{max(accuracies):.2f}",
                  f"{_mean(records, 'seconds_per_epoch'):.2f}"]  # fmt: skip
        table.add_row(label, str(records[0]["parameters"]), f"{records[0]['lr']:g}", *values)
    return table


def _table(kind: str, found: Mapping[str, Sequence[Record]], first: str, *headings: str) -> Table:
    some = next(iter(found.values()))
    seeds = ", ".join(str(record["seed"]) for record in some)
    title = f"{kind}: {some[0]['epochs']:g} epochs, seed {seeds}, {some[0]['images']} test images"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    table.add_column(first, no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _mean(records: Sequence[Record], key: str) -> float:
    return fmean(record[key] for record in records)


def report(study: Study, folder: Path) -> tuple[Table, list[Path]]:
    """The table of a study that has ended; its JSON lines and its picture are written."""
    found = records_of(study, folder)
    lines, picture = folder / f"{study.kind}.jsonl", folder / f"{study.kind}.png"
    lines.write_text("".join(json.dumps(record) + "\n" for records in found.values() for record in records))
    if study.kind == ABLATION:
        accuracies = {label: [record["accuracy"] for record in records] for label, records in found.items()}
        by_steps = {records[0]["steps"]: accuracies[label] for label, records in found.items()
                    if records[0]["variant"] == "full"}  # fmt: skip
        variants = {label: values for label, values in accuracies.items() if found[label][0]["variant"] == label}
        cifar_plots.ablation(variants, by_steps, picture)
        return ablation_table(found), [lines, picture]
    curves = {label: [Run(folder / member.name, writes=False).records("epoch") for member in members]
              for label, members in study.groups()}  # fmt: skip
    cifar_plots.learning_curves(curves, picture)
    return comparison_table(found), [lines, picture]
