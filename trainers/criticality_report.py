"""What a search for a critical point found: a record a case, a table of crossings, pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from rich.console import Console
from rich.table import Table

from trainers.command_line import tell_files
from trainers.common import Run, load_checkpoint
from trainers.criticality_analysis import Curve
from trainers.criticality_plots import fields, step_lines, transition
from trainers.criticality_sampling import ACTIONS, Case

COMPARISON = "comparison.jsonl"


def record_of(folder: Path, case: Case) -> dict[str, Any]:
    """A flat record of a case; ``off`` is the relative distance of the crossing from the published value, ``times`` the
    longest autocorrelation time of m^2 of each cell that decides, in steps."""
    run = Run(folder / case.folder, writes=False)
    start, test, trained = run.records("start")[0], run.records("test")[-1], run.records("trained")[-1]
    figures = {name: value for name, value in test.items() if name != "event"}
    published = ACTIONS[case.action].published
    times = [[r["size"], r["dt"], max(r["times"])] for r in run.records("cell") if not r["wide"]]
    return {
        "action": case.action, "seed": case.seed, **figures, "published": published,
        "off": figures["binder"] / published - 1, "times": times, "seconds": trained["seconds"],
        "device": start["device"],
    }  # fmt: skip


def value_text(values: Sequence[float | None], errors: Sequence[float | None]) -> str:
    """The mean over seeds, its standard error by their spread, and in brackets that by the bootstraps of all; how many
    seeds there are where some have no value."""
    found = [value for value in values if value is not None]
    known = [error for error in errors if error is not None]
    if not found:
        return "none"
    text = f"{fmean(found):.4f}"
    if len(found) > 1:
        text += f" +- {stdev(found) / len(found) ** 0.5:.4f}"
    if len(known) == len(found):
        text += f" ({sum(error**2 for error in known) ** 0.5 / len(known):.4f})"
    return text if len(found) == len(values) else f"{text}, {len(found)} of {len(values)}"


def crossing_table(records: Sequence[Mapping[str, Any]]) -> Table:
    """A row a step and one without its error, a column a pair of sizes; peaks; the published value. One action."""
    name, seeds = records[0]["action"], ", ".join(str(r["seed"]) for r in records)
    title = (
        f"critical {ACTIONS[name].control} of {name}, seed {seeds}: means over seeds +- standard errors by their "
        "spread (by bootstrap)"
    )
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    pairs = list(pairwise(records[0]["sizes"]))
    for heading in ("step", *(f"cumulants of L = {a}, {b}" for a, b in pairs), "peaks, L -> infinity"):
        table.add_column(heading, justify="right", no_wrap=True)
    for k, dt in enumerate(records[0]["dts"]):
        cells = [
            value_text([r["crossings"][k][j] for r in records], [r["crossing_errors"][k][j] for r in records])
            for j in range(len(pairs))
        ]
        table.add_row(f"{dt:g}", *cells, "")
    limits = [[r["limits"][j] for r in records] for j in range(len(pairs))]
    table.add_row(
        "to 0", *(value_text([x["value"] for x in column], [x["error"] for x in column]) for column in limits),
        value_text([r["susceptibility"] for r in records], [r["susceptibility_error"] for r in records]),
    )  # fmt: skip
    off = fmean(r["binder"] for r in records) / records[0]["published"] - 1
    table.caption = (
        f"published: {records[0]['published']:.5f} ({ACTIONS[name].source}); cumulants of the largest pair are off by "
        f"{100 * off:+.2f} %; {sum(r['seconds'] for r in records):.0f} s of the processor"
    )
    table.caption_justify = "left"
    return table


def report(folder: Path, found: Mapping[Case, Sequence[Curve]], console: Console) -> None:
    """Print a table an action, draw the pictures, write comparison.jsonl, say where everything is."""
    records = [record_of(folder, case) for case in found]
    (folder / COMPARISON).write_text("".join(json.dumps(record) + "\n" for record in records))
    for action in dict.fromkeys(case.action for case in found):
        console.print(crossing_table([r for r in records if r["action"] == action]))
    first = next(iter(found))
    control, published = ACTIONS[first.action].control, ACTIONS[first.action].published
    curves, kept = found[first], load_checkpoint(folder / first.folder)
    own = [r for r in records if r["action"] == first.action]
    transition(curves, own[0]["binder"], control, published, folder / "transition.png")
    step_lines(own, control, folder / "step.png")
    fields(kept.more["phi"], curves[-1], control, folder / "fields.png")
    tell_files(console, folder, {
        "curves": "transition.png", "steps": "step.png", "fields": "fields.png", "figures": COMPARISON
    })  # fmt: skip
