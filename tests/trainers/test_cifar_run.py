"""A whole image run in small, and going on with one."""

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
from rich.console import Console
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy
from typer.testing import CliRunner

from trainers import cifar
from trainers.cifar import main
from trainers.cifar_networks import VARIANTS, make_network
from trainers.cifar_options import Options, stages_of, stored_options
from trainers.cifar_plots import block_states
from trainers.cifar_profile import measure
from trainers.cifar_training import SMOOTHING, Task, batch_of, examine, groups_of, steps_per_epoch, train
from trainers.common import CHECKPOINT, EARLIER, Display, ResumeError, Run, make_fabric, read_meta, spec_hash

Ran = Callable[..., CompletedProcess[str]]
TINY = Options(parameters=12_000, blocks=(1, 1, 1), epochs=2, images=96, batch=16, crop=1, flip=False)


@pytest.fixture(scope="module")
def task() -> Task:
    return Task.load(TINY, torch.device("cpu"))


def fit(folder: Path, task: Task, options: Options = TINY, **more: object) -> tuple[dict[str, torch.Tensor], Run]:
    run = Run(folder)
    display = Display(Console(file=StringIO()), "train")
    train(make_fabric("cpu", 1, "32-true"), options, task, run, display, **more)
    return load_file(folder / CHECKPOINT), run


def test_smoke(run_module: Ran, tmp_path: Path) -> None:
    done = run_module("trainers.cifar", "--smoke", "--out", str(tmp_path), "--name", "it")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "it"
    pictures = {"learning.png", "fields.png", "energy.png"}
    assert {"metrics.jsonl", CHECKPOINT, EARLIER} | pictures == {path.name for path in folder.iterdir()}
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


def test_two_processes_take_the_mean_of_their_gradients(run_ranks: Ran, tmp_path: Path, task: Task) -> None:
    options = replace(TINY, parameters=4_000, images=32, epochs=1)
    done = run_ranks(
        2, "trainers.cifar", "--parameters", "4000", "--blocks", "1", "--images", "32", "--epochs", "1",
        "--batch", "16", "--accelerator", "cpu", "--out", str(tmp_path), "--name", "two",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    meta = read_meta(tmp_path / "two")
    assert (meta["processes"], meta["step"], stored_options(tmp_path / "two")) == (2, 1, options)

    alone = Task(task.train.first(32), task.test, *task.train.first(32).statistics())
    torch.manual_seed(options.seed)
    network = make_network(options, 1, 10)
    for rank in range(2):
        x, targets = batch_of(alone, options, 0, rank, 2)
        (cross_entropy(network(x), targets, label_smoothing=SMOOTHING) / 2).backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    adam = torch.optim.AdamW(groups_of(network, options.decay))
    kept = load_file(tmp_path / "two" / CHECKPOINT)
    parameters = [p for group in adam.param_groups for p in group["params"]]
    assert len(parameters) == sum(name.endswith(".exp_avg") for name in kept)
    for k, p in enumerate(parameters):
        # The first moment after one step is a tenth of the gradient; float32 sums of about a thousand terms each.
        difference = (kept[f"optimizer.{k}.exp_avg"] - 0.1 * p.grad).abs().max()
        assert difference <= 1e3 * torch.finfo(torch.float32).eps * 0.1 * 1.0

    with pytest.raises(ResumeError, match="by 2 processes, not 1"):
        fit(tmp_path / "two", alone, options, resume=True)


def test_weights_of_another_spec_are_refused(tmp_path: Path, task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    options = replace(TINY, variant="euler")
    fit(tmp_path, task, options, stop_after=1)
    assert read_meta(tmp_path)["spec"] == spec_hash("cifar_euler")
    monkeypatch.setattr("trainers.cifar_training.spec_hash", lambda package: "0" * 64)
    with pytest.raises(ResumeError, match="was trained with the spec"):
        fit(tmp_path, task, options, resume=True)


@pytest.mark.parametrize("variant", VARIANTS)
def test_pictures_of_every_variant(variant: str, tmp_path: Path, task: Task) -> None:
    torch.manual_seed(0)
    network = make_network(replace(TINY, variant=variant), 1, 10).eval()
    states = block_states(network, task.normalised(task.test.pixels[:3]))
    assert [state["phi"].shape[-1] for state in states] == [8, 4, 2]
    for state in states:
        assert state["phi"].shape == state["pi"].shape == state["amplitude"].shape
        assert bool((state["amplitude"] > 0).all())
        assert all(bool(x.isfinite().all()) for x in state.values())


@pytest.mark.parametrize("variant", ["full", "fields"])
def test_a_trained_network_is_drawn(variant: str, tmp_path: Path, task: Task) -> None:
    options, run = replace(TINY, variant=variant, epochs=1), Run(tmp_path)
    display = Display(Console(file=StringIO()), "train")
    network = train(make_fabric("cpu", 1, "32-true"), options, task, run, display)
    written = examine(network, options, task, run)
    assert [path.name for path in written] == ["learning.png", "fields.png", "energy.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)


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


@pytest.mark.parametrize("more", [(), ("--ablate",), ("--compare",), ("--profile",)])
def test_a_source_that_is_none_is_one_line(
    tmp_path: Path, more: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = typer.Typer()
    command.command()(main)
    # In the process of the test, what a profile does in one of its own.
    monkeypatch.setattr(cifar, "side_by_side", lambda *given: measure(given[0], "field", *given[1:]))
    done = CliRunner().invoke(command, ["--data", str(tmp_path), "--out", str(tmp_path), *more])
    assert done.exit_code == 1
    assert done.output.startswith("error: no train*.parquet in")
    assert done.output.count("\n") == 1
