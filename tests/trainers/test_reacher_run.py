"""A whole run in small on a simulator of our own, going on with one, and the plans of a comparison."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import torch
import typer
from click.testing import Result
from rich.console import Console
from safetensors.torch import load_file
from typer.testing import CliRunner

from trainers.common import CHECKPOINT, EARLIER, Display, ResumeError, Run, make_fabric, read_meta, spec_hash
from trainers.reacher import main, numbers_of, plan_of, read_plan
from trainers.reacher_training import MODELS, Options, Task, train

TINY = Options(world="own", episodes=1, steps=6, hidden=8, batch=8, window=2, every=2, goals=2, plans=8)


def fit(folder: Path, options: Options, **more: object) -> tuple[dict[str, torch.Tensor], Run]:
    run = Run(folder)
    display = Display(Console(file=StringIO()), "train")
    train(make_fabric("cpu", 1, "32-true"), options, Task.make(options), run, display, **more)
    return load_file(folder / CHECKPOINT), run


def call(*arguments: str) -> Result:
    command = typer.Typer()
    command.command()(main)
    return CliRunner().invoke(command, arguments)


def test_smoke(run_module: Callable[..., CompletedProcess[str]], tmp_path: Path) -> None:
    done = run_module("trainers.reacher", "--smoke", "--out", str(tmp_path), "--name", "it")
    assert done.returncode == 0, done.stdout + done.stderr
    folder = tmp_path / "it"
    assert {path.name for path in folder.iterdir()} == {
        "plan.json", "comparison.jsonl", "comparison.png", *(f"{model}-1-seed0" for model in MODELS),
    }  # fmt: skip
    records = [json.loads(line) for line in (folder / "comparison.jsonl").read_text().splitlines()]
    assert [record["model"] for record in records] == list(MODELS)
    for record in records:
        files = {path.name for path in (folder / f"{record['model']}-1-seed0").iterdir()}
        assert files == {"metrics.jsonl", CHECKPOINT, EARLIER}
        assert 0 <= record["success"] <= 1
        assert 0 <= record["steps_within"] <= 20
        assert record["goals"] == 3
    assert records[0]["parameters"] == 8
    assert set(records[0]["numbers"]) == {"a", "b", "c", "k", "u", "v", "d_q", "d_r"}
    assert "identified from 1 episodes" in done.stdout
    assert "comparison.png" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("model", MODELS)
def test_a_resumed_run_is_the_run_that_never_stopped(tmp_path: Path, model: str) -> None:
    options = replace(TINY, model=model)
    whole, run = fit(tmp_path / "whole", options)
    fit(tmp_path / "parts", options, stop_after=3)
    assert read_meta(tmp_path / "parts")["step"] == 3
    parts, resumed = fit(tmp_path / "parts", options, resume=True)
    assert whole.keys() == parts.keys()
    assert any(name.startswith("optimizer.") for name in whole)
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    curves = [[(r["step"], r["loss"]) for r in x.records("train")] for x in (run, resumed)]
    assert curves[0] == curves[1]


def test_weights_of_another_spec_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fit(tmp_path, TINY, stop_after=1)
    assert read_meta(tmp_path)["spec"] == spec_hash("reacher")
    monkeypatch.setattr("trainers.reacher_training.spec_hash", lambda package: "0" * 64)
    with pytest.raises(ResumeError, match="was trained with the spec"):
        fit(tmp_path, TINY, resume=True)


def test_a_plan_has_every_model_on_all_data_seed_after_seed() -> None:
    plan = plan_of(TINY, ("arm", "rate"), (1, 5), (3, 4))
    assert [(o.model, o.episodes, o.seed) for o in plan] == [
        ("arm", 1, 3), ("rate", 1, 3), ("arm", 5, 3), ("rate", 5, 3),
        ("arm", 1, 4), ("rate", 1, 4), ("arm", 5, 4), ("rate", 5, 4),
    ]  # fmt: skip
    assert {o.world for o in plan} == {"own"}


def test_going_on_trains_what_has_no_test_record(tmp_path: Path) -> None:
    arguments = ("--out", str(tmp_path), "--name", "it", "--smoke", "--models", "step,rate")
    done = call(*arguments)
    assert done.exit_code == 0, done.output
    (kept, _), (other, _) = read_plan(tmp_path / "it")
    before = (kept / "metrics.jsonl").stat().st_mtime_ns
    records = (tmp_path / "it" / "comparison.jsonl").read_text()
    for path in other.iterdir():
        path.unlink()
    again = call("--resume", str(tmp_path / "it"))
    assert again.exit_code == 0, again.output
    assert (kept / "metrics.jsonl").stat().st_mtime_ns == before
    timeless = [
        [{k: v for k, v in json.loads(line).items() if k not in ("seconds", "training")} for line in text.splitlines()]
        for text in (records, (tmp_path / "it" / "comparison.jsonl").read_text())
    ]
    assert timeless[0] == timeless[1]
    taken = call(*arguments)
    assert taken.exit_code == 1
    assert "holds a plan: --resume" in taken.output


def test_what_cannot_run_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    none = call("--resume", str(tmp_path / "none"))
    assert none.exit_code == 1
    assert none.output.startswith("error: no plan.json in")
    monkeypatch.setitem(__import__("sys").modules, "gymnasium", None)
    missing = call("--out", str(tmp_path), "--name", "it", "--episodes", "1", "--seeds", "0")
    assert missing.exit_code == 1
    assert "the simulator is the extra control" in missing.output
    for flag, text in (("--models", "arm,arm"), ("--models", "mlp"), ("--episodes", "1,x"), ("--world", "mars")):
        assert call(flag, text, "--out", str(tmp_path)).exit_code == 2


def test_numbers_are_different_and_whole() -> None:
    assert numbers_of("2,0", "--seeds") == (2, 0)
    for text in ("", "a", "1,1", "-1"):
        with pytest.raises(typer.BadParameter, match="is not a list"):
            numbers_of(text, "--seeds")
