"""Ablations and comparisons of image runs: their plans, going on with one, tables and figures."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
import typer
from click.testing import Result
from rich.console import Console
from rich.table import Table
from typer.testing import CliRunner

from tests.lengths import picked
from trainers import cifar_plots, cifar_studies
from trainers.cifar import main
from trainers.cifar_networks import MODELS, VARIANTS, network_size
from trainers.cifar_options import Options, models_of, rates_of, seeds_of
from trainers.cifar_report import ablation_table, comparison_table, records_of
from trainers.cifar_studies import STEPS, ablation, comparison, read_study
from trainers.common import Run

BASE = Options(parameters=8_000, blocks=(1, 1, 1), epochs=1, images=32, batch=16, crop=1, flip=False)
TINY = ("--parameters", "8000", "--blocks", "1", "--baseline-blocks", "1", "--epochs", "1", "--images", "32",
        "--batch", "16")  # fmt: skip


def call(*arguments: str) -> Result:
    command = typer.Typer()
    command.command()(main)
    return CliRunner().invoke(command, arguments)


def lines_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def printed(table: Table, width: int = 80) -> list[str]:
    file = StringIO()
    Console(file=file, width=width).print(table)
    return file.getvalue().splitlines()


def test_an_ablation_has_all_variants_and_numbers_of_steps() -> None:
    study = ablation(BASE, (0, 1), 1, 10)
    labels = [label for label, _ in study.groups()]
    assert labels == [*VARIANTS, "K1", "K4", "K8"]
    found = {member.options.steps for member in study.members if member.options.variant == "full"}
    assert found == set(STEPS)
    assert [member.name for member in study.members][: len(labels)] == [f"{label}-seed0" for label in labels]
    same = {replace(member.options, variant="full", steps=2, seed=0) for member in study.members}
    assert len(same) == 1


def test_what_is_compared_has_equal_parameters() -> None:
    base = Options()
    field = network_size(base, 3, 10)
    for study in (ablation(base, (0,), 3, 10), comparison(base, MODELS, {}, (2, 2, 2), (0,), 3, 10)):
        for member in (member for member in study.members if member.options.steps == base.steps):
            # one unit of the width is 4 of 80 and more channels of the last stage; half of it is 2.5 %, squared 5 %
            assert abs(network_size(member.options, 3, 10) / field - 1) < 0.06, member.name


def test_models_differ_in_what_is_theirs_alone() -> None:
    base = replace(BASE, widths=(1, 3, 6), blocks=(1, 2, 3), lr=2e-3)
    study = comparison(base, ("resnet", "field"), {"resnet": 1e-3}, (2, 2, 2), (3, 5), 1, 10)
    assert [member.name for member in study.members] == [
        "resnet-seed3", "field-seed3", "resnet-seed5", "field-seed5",
    ]  # fmt: skip
    resnet, field = study.members[0].options, study.members[1].options
    assert field == replace(base, model="field", seed=3)
    assert (resnet.lr, resnet.widths, resnet.blocks) == (1e-3, (1, 2, 4), (2, 2, 2))
    own = {"lr": 0.0, "widths": (1, 1, 1), "blocks": (1, 1, 1), "parameters": 0, "model": "field"}
    assert replace(resnet, **own) == replace(field, **own)


def test_ablate_stops_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for picture in ("fields", "energy_along_depth", "learning_curves"):
        monkeypatch.setattr(cifar_plots, picture, lambda *given: given[-1].touch())
    few = picked(VARIANTS, "full", "euler")  # the others learn in test_cifar_model
    monkeypatch.setattr(cifar_studies, "VARIANTS", {name: VARIANTS[name] for name in few})
    monkeypatch.setattr(cifar_studies, "STEPS", tuple(picked(STEPS, 2, 8)))
    folder = tmp_path / "it"
    done = call("--ablate", *TINY, "--out", str(tmp_path), "--name", "it", "--seed", "4")
    assert done.exit_code == 0, done.output
    study = read_study(folder)
    records = lines_of(folder / "ablation.jsonl")
    assert [record["label"] for record in records] == [label for label, _ in study.groups()]
    assert len({json.dumps({k: v for k, v in r.items() if k in ("seed", "epochs", "images")}) for r in records}) == 1
    assert records[0]["difference"] == 0
    for record in records[1:]:
        assert record["difference"] == record["accuracy"] - records[0]["accuracy"]
    assert (folder / "ablation.png").stat().st_size > 0
    for member in study.members:
        files = {path.name for path in (folder / member.name).iterdir()}
        assert {"learning.png", "fields.png", "energy.png"} <= files, member.name

    # One run has not been tested, another has not begun.
    whole = (folder / "euler-seed4" / "metrics.jsonl").read_text()
    untested = [line for line in whole.splitlines() if '"event": "test"' not in line]
    (folder / "euler-seed4" / "metrics.jsonl").write_text("\n".join(untested) + "\n")
    for path in (folder / "K8-seed4").iterdir():
        path.unlink()
    kept = (folder / "full-seed4" / "metrics.jsonl").stat().st_mtime_ns
    again = call("--resume", str(folder))
    assert again.exit_code == 0, again.output
    assert (folder / "full-seed4" / "metrics.jsonl").stat().st_mtime_ns == kept
    told = [line for line in again.output.splitlines() if "test accuracy" in line]
    assert [line.split(":")[0] for line in told] == ["euler-seed4", "K8-seed4"]
    timeless = [{k: v for k, v in r.items() if not k.startswith("seconds")} for r in records]
    repeated = lines_of(folder / "ablation.jsonl")
    assert [{k: v for k, v in r.items() if not k.startswith("seconds")} for r in repeated] == timeless

    taken = call("--ablate", *TINY, "--out", str(tmp_path), "--name", "it")
    assert taken.exit_code == 1
    assert "holds a study: --resume" in taken.output
    for name in (line for line in printed(ablation_table(records_of(study, folder))) if "…" in line):
        pytest.fail(f"cut off at 80 columns: {name}")


def test_compare_over_seeds(tmp_path: Path) -> None:
    done = call("--compare", *TINY, "--seeds", "1,0", "--models", "field,resnet", "--lrs", "resnet=1e-3",
                "--out", str(tmp_path), "--name", "it")  # fmt: skip
    assert done.exit_code == 0, done.output
    records = lines_of(tmp_path / "it" / "comparison.jsonl")
    assert [(r["label"], r["seed"], r["lr"]) for r in records] == [
        ("field", 1, 3e-3), ("field", 0, 3e-3), ("resnet", 1, 1e-3), ("resnet", 0, 1e-3),
    ]  # fmt: skip
    assert (tmp_path / "it" / "comparison.png").stat().st_size > 0
    for record in records:
        run = Run(tmp_path / "it" / f"{record['label']}-seed{record['seed']}", writes=False)
        assert record["accuracy"] == run.records("test")[-1]["accuracy"]
        assert record["parameters"] == run.records("start")[-1]["parameters"]
        assert run.records("trained")[-1]["step"] == 2
    found = records_of(read_study(tmp_path / "it"), tmp_path / "it")
    lines = printed(comparison_table(found))
    assert not any("…" in line for line in lines)
    assert lines[0].startswith("comparison: 1 epochs, seed 1, 0")
    accuracies = [100 * r["accuracy"] for r in found["resnet"]]
    assert f"{sum(accuracies) / 2:.2f} {min(accuracies):.2f}..{max(accuracies):.2f}" in " ".join(lines[-1].split())


def test_means_and_paired_differences() -> None:
    def record(label: str, accuracy: float, difference: float) -> dict[str, object]:
        return {"label": label, "variant": label, "steps": 2, "seed": 0, "parameters": 12_345_678, "epochs": 100.0,
                "accuracy": accuracy, "difference": difference, "images": 10_000, "seconds": 12_345.6}  # fmt: skip

    found = {
        "full": [record("full", 0.90, 0.0), record("full", 0.92, 0.0)],
        "no-dissipation": [record("no-dissipation", 0.85, -0.05), record("no-dissipation", 0.90, -0.02)],
    }
    lines = printed(ablation_table(found))
    assert lines[-1].split() == ["no-dissipation", "12345678", "2", "87.50", "-3.50", "12345.6"]


@pytest.mark.parametrize(
    ("read", "good", "value", "bad"),
    [
        (seeds_of, "2,0", (2, 0), ("", "a", "1,1", "-1")),
        (models_of, "resnet,field", ("resnet", "field"), ("", "vit", "field,field")),
        (rates_of, "field=3e-3,resnet=1", {"field": 3e-3, "resnet": 1.0}, ("field", "vit=1", "field=x", "field=-1")),
        (rates_of, "", {}, (",",)),
    ],
)
def test_flags_of_a_study(read: object, good: str, value: object, bad: tuple[str, ...]) -> None:
    assert read(good, "--flag") == value
    for text in bad:
        with pytest.raises(typer.BadParameter, match="is not a"):
            read(text, "--flag")


def test_one_study_at_a_time(tmp_path: Path) -> None:
    done = call("--ablate", "--compare", "--out", str(tmp_path))
    assert done.exit_code == 2
    assert "one at a time" in done.output
    assert not list(tmp_path.iterdir())
