"""A whole run in small, and going on with one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file

from trainers.common import (
    CHECKPOINT,
    EARLIER,
    Display,
    ResumeError,
    Run,
    check_spec,
    make_fabric,
    read_meta,
    spec_hash,
)
from trainers.maze import Options, batch_of, train, training_pool

TINY = Options(steps=8, batch=4, pool=8, every=3, hidden=8)


def fit(folder: Path, options: Options = TINY, **more: object) -> tuple[dict[str, torch.Tensor], Run]:
    run = Run(folder)
    display = Display(Console(file=StringIO()), "train")
    train(make_fabric("cpu", 1, "32-true"), options, run, display, **more)
    return load_file(folder / CHECKPOINT), run


def test_smoke(run_module: Callable[..., CompletedProcess[str]], tmp_path: Path) -> None:
    done = run_module("trainers.maze", "--smoke", "--out", str(tmp_path), "--name", "it")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "it"
    assert {"metrics.jsonl", CHECKPOINT, EARLIER, "mazes.png", "learning.png"} == {
        path.name for path in folder.iterdir()
    }
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [r["step"] for r in records if r["event"] == "train"] == list(range(1, 13))
    tests = [r for r in records if r["event"] == "test"]
    assert {(r["size"], r["kind"]) for r in tests} == {(n, kind) for n in (15, 25) for kind in ("perfect", "loopy")}
    assert all(0 <= r[name] <= 1 for r in tests for name in ("precision", "recall", "f1", "exact", "valid", "shortest"))
    assert "F1 per cell" in done.stdout
    assert "mazes.png" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_resumed_run_is_the_run_that_never_stopped(tmp_path: Path) -> None:
    whole, run = fit(tmp_path / "whole")
    fit(tmp_path / "parts", stop_after=5)
    assert read_meta(tmp_path / "parts")["step"] == 5
    parts, resumed = fit(tmp_path / "parts", resume=True)
    assert whole.keys() == parts.keys()
    assert any(name.startswith("optimizer.") for name in whole)
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert [len(x.records("start")) for x in (run, resumed)] == [1, 1]
    curves = [[(r["step"], r["loss_length"], r["lr"]) for r in x.records("train")] for x in (run, resumed)]
    assert curves[0] == curves[1]


def test_a_crash_between_checkpoints_loses_nothing_but_time(tmp_path: Path) -> None:
    whole, _ = fit(tmp_path / "whole")
    _, run = fit(tmp_path / "crash", stop_after=3)
    run.log("train", step=4, loss_length=0.0)  # logged, then the machine went down
    resumed, run = fit(tmp_path / "crash", resume=True)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert [r["step"] for r in run.records("train")] == list(range(1, 9))


def test_a_time_limit_ends_the_training(tmp_path: Path) -> None:
    _, run = fit(tmp_path, replace(TINY, seconds=1.5))
    assert 1.4 < run.records("trained")[0]["seconds"] < 20


def test_the_mazes_of_a_step_depend_on_seed_step_and_process_alone() -> None:
    pool = training_pool(TINY)
    one, two, other = (batch_of(pool, TINY, *which)[0] for which in ((3, 0), (3, 0), (3, 1)))
    assert (one.label == two.label).all()
    assert (one.label != other.label).any()


def test_weights_of_another_spec_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fit(tmp_path, stop_after=1)
    assert read_meta(tmp_path)["spec"] == spec_hash("maze")
    monkeypatch.setattr("trainers.maze.spec_hash", lambda package: "0" * 64)
    with pytest.raises(ResumeError, match="was trained with the spec"):
        fit(tmp_path, resume=True)


def test_weights_that_name_the_bytes_of_their_spec_are_taken(root: Path) -> None:
    before = hashlib.sha256((root / "specs/maze.py").read_bytes()).hexdigest()
    assert before != spec_hash("maze")
    check_spec({"spec": before, "package": "maze"}, spec_hash("maze"), root)


def test_nothing_to_resume_is_one_line(run_module: Callable[..., CompletedProcess[str]], tmp_path: Path) -> None:
    done = run_module("trainers.maze", "--resume", str(tmp_path / "none"))
    assert done.returncode == 1
    assert done.stdout.startswith("error: no checkpoint.safetensors in")
    assert "Traceback" not in done.stderr + done.stdout
