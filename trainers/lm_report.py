"""What a run of language models found: test figures and a sample of each model, then all of them side by side."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table
from torch import Tensor

from trainers.command_line import tell_files
from trainers.common import Run
from trainers.lm_plots import learning_curves
from trainers.lm_score import generate, score_text, tokens_to_reach
from trainers.lm_variants import VARIANTS

TEMPERATURE = 0.8
PROMPT = 64  # bytes of the test split that a sample goes on from
COMPARISON = "comparison.jsonl"
AGAINST = ("gpt", "physics")  # what the others are compared with: the first of them that was trained


def examine(network: Any, text: Tensor, run: Run, context: int, sample: int, seed: int) -> None:
    """Log the bits per byte of a test text; write sample.txt, its beginning and what the model goes on with.

    A model that carries its state is scored a second time in windows, as one that does not.
    """
    network.eval()
    figures = {"bits": score_text(network, text, context)}
    if network.carries:
        figures["bits_in_windows"] = score_text(network, text, context, carry=False)
    run.log("test", bytes=len(text), **figures)
    prompt = bytes(text[:PROMPT].tolist())
    written = generate(network, prompt, sample, context=context, temperature=TEMPERATURE, seed=seed)
    (run.folder / "sample.txt").write_bytes(written)


def curve_of(run: Run) -> list[tuple[int, float]]:
    """(tokens, bits per byte) of the validation split."""
    return [(record["tokens"], record["bits"]) for record in run.records("validation")]


def compare(folder: Path, models: Sequence[str]) -> list[dict[str, Any]]:
    """A flat record per model; the last figures are against the GPT where there is one, else the full oscillators.

    tokens_to_level  where the validation curve falls to the other's last value (None: nowhere)
    token_ratio      tokens of the other over that number
    fewer_bits       1 - bits / bits of the other, on the test split
    """
    runs = {name: Run(folder / name, writes=False) for name in models}
    records = {}
    for name, run in runs.items():
        curve, test, trained = curve_of(run), run.records("test")[-1], run.records("trained")[-1]
        start = run.records("start")[0]
        records[name] = {
            "model": name, "seed": start["options"]["seed"], "parameters": start["parameters"],
            "tokens": curve[-1][0], "validation": curve[-1][1], "test": test["bits"],
            "test_in_windows": test.get("bits_in_windows", test["bits"]), "seconds": trained["seconds"],
            "tokens_per_second": round(median(record["tokens_per_second"] for record in run.records("train"))),
            "device": start["device"],
        }  # fmt: skip
    against = next((name for name in AGAINST if name in records), None)
    if against is not None:
        other = records[against]
        for name, record in records.items():
            reached = tokens_to_reach(curve_of(runs[name]), other["validation"])
            record["against"] = against
            record["tokens_to_level"] = reached
            record["token_ratio"] = None if reached is None else other["tokens"] / reached
            record["fewer_bits"] = 1 - record["test"] / other["test"]
    return list(records.values())


def comparison_table(records: Sequence[dict[str, Any]], title: str) -> Table:
    """Bits per byte, and how they stand to the model that all are compared with."""
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    table.add_column("model", no_wrap=True)
    for heading in ("parameters", "tokens", "validation", "test", "windows", "tokens/s"):
        table.add_column(heading, justify="right", no_wrap=True)
    compared = "against" in records[0]
    for heading in ("token ratio", "fewer bits") if compared else ():
        table.add_column(heading, justify="right", no_wrap=True)
    for record in records:
        row = [VARIANTS[record["model"]].title, str(record["parameters"]), str(record["tokens"])]
        row += [f"{record[key]:.4f}" for key in ("validation", "test", "test_in_windows")]
        row.append(str(record["tokens_per_second"]))
        if compared:
            ratio = record["token_ratio"]
            row += ["-" if ratio is None else f"{ratio:.2f}", f"{record['fewer_bits']:+.2%}"]
        table.add_row(*row)
    return table


def report(folder: Path, models: Sequence[str], corpus: str, console: Console) -> None:
    """Print the table, draw the curves, write comparison.jsonl, say where everything is."""
    records = compare(folder, models)
    (folder / COMPARISON).write_text("".join(json.dumps(record) + "\n" for record in records))
    curves = {VARIANTS[name].title: curve_of(Run(folder / name, writes=False)) for name in models}
    learning_curves(curves, corpus, folder / "learning.png")
    console.print(comparison_table(records, f"bits per byte of {corpus}"))
    files = {"learning curves": "learning.png", "figures": COMPARISON, "samples": "*/sample.txt"}
    tell_files(console, folder, files)
