"""A whole image run in small, and going on with one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
import torch
import typer
from rich.console import Console
from safetensors.torch import load_file

from trainers.cifar_options import Options, stages_of, stored_options
from trainers.cifar_training import Task, batch_of, steps_per_epoch, train
from trainers.common import CHECKPOINT, Display, Run, make_fabric, read_meta

TINY = Options(parameters=12_000, blocks=(1, 1, 1), epochs=2, images=96, batch=16, crop=1, flip=False)


def run_cli(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "trainers.cifar", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MPLCONFIGDIR": str(cwd)}
    root = Path(__file__).resolve().parents[2]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def task() -> Task:
    return Task.load(TINY, torch.device("cpu"))


def fit(folder: Path, task: Task, options: Options = TINY, **more: object) -> tuple[dict[str, torch.Tensor], Run]:
    run = Run(folder)
    display = Display(Console(file=StringIO()), "train")
    train(make_fabric("cpu", 1, "32-true"), options, task, run, display, **more)
    return load_file(folder / CHECKPOINT), run


def test_smoke(tmp_path: Path) -> None:
    done = run_cli("--smoke", "--out", str(tmp_path), "--name", "it", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "it"
    pictures = {"learning.png", "fields.png", "energy.png"}
    assert {"metrics.jsonl", CHECKPOINT} | pictures == {path.name for path in folder.iterdir()}
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    start = next(r for r in records if r["event"] == "start")
    assert start["physics"] + start["mixing"] + start["stem"] + start["rest"] == start["parameters"]
    assert [r["epoch"] for r in records if r["event"] == "epoch"] == [1, 2]
    assert 0 <= next(r["accuracy"] for r in records if r["event"] == "test") <= 1
    assert "test accuracy" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("model", ["field", "resnet"])
def test_a_resumed_run_is_the_run_that_never_stopped(tmp_path: Path, task: Task, model: str) -> None:
    options = replace(TINY, model=model, cutout=2, mixup=0.2)
    whole, run = fit(tmp_path / "whole", task, options)
    fit(tmp_path / "parts", task, options, stop_after=7)
    assert read_meta(tmp_path / "parts")["step"] == 7
    parts, resumed = fit(tmp_path / "parts", task, options, resume=True)
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    curves = [[(r["step"], r["accuracy"]) for r in x.records("epoch")] for x in (run, resumed)]
    assert curves[0] == curves[1]


def test_it_learns(tmp_path: Path, task: Task) -> None:
    _, run = fit(tmp_path, task, replace(TINY, epochs=8))
    # 300 digits of 10 classes: by chance 0.1 with a deviation of 0.017
    assert run.records("epoch")[-1]["accuracy"] > 0.5


def test_an_epoch_sees_every_image_once(task: Task) -> None:
    options = replace(TINY, crop=0)
    count = steps_per_epoch(task, options, 2)
    seen = torch.cat([batch_of(task, options, k, rank, 2)[0] for k in range(count) for rank in range(2)])
    every = task.normalised(task.train.pixels)
    assert len(seen) == count * 32 == 96
    assert {tuple(x.flatten().tolist()) for x in seen} == {tuple(x.flatten().tolist()) for x in every}
    following = torch.cat([batch_of(task, options, count + k, rank, 2)[0] for k in range(count) for rank in range(2)])
    assert not torch.equal(seen, following)


def test_one_number_or_three_for_the_stages() -> None:
    assert stages_of("2", "--blocks") == (2, 2, 2)
    assert stages_of("1,2,3", "--blocks") == (1, 2, 3)
    for text in ("", "1,2", "0,1,1", "1,2,x", "1,2,3,4"):
        with pytest.raises(typer.BadParameter, match="one or three"):
            stages_of(text, "--blocks")


def test_options_are_kept_with_the_weights(tmp_path: Path, task: Task) -> None:
    options = replace(TINY, widths=(1, 2, 3), blocks=(1, 1, 2))
    fit(tmp_path, task, options, stop_after=1)
    assert stored_options(tmp_path) == options


def test_a_source_that_is_none_is_one_line(tmp_path: Path) -> None:
    done = run_cli("--data", str(tmp_path), cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.startswith("error: no train*.parquet in")
    assert "Traceback" not in done.stderr + done.stdout
