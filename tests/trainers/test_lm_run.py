"""A whole run in small, and going on with one."""

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

from trainers.common import CHECKPOINT, Display, ResumeError, Run, make_fabric, read_meta, spec_hash
from trainers.lm import Options, main, train
from trainers.lm_data import Corpus, split_text
from trainers.lm_variants import DEFAULT

TINY = Options(
    models=("physics",), tokens=64 * 8, context=16, batch=4, stretch=3, width=16, layers=2, oscillators=12, modes=8,
    rank=4, memories=2, key=6, heads=2, every=64 * 3, scored=300, sample=10,
)  # fmt: skip
CORPUS = split_text("words", b"the quick brown fox jumps over the lazy dog. " * 200)


def fit(
    folder: Path, name: str = "physics", corpus: Corpus = CORPUS, options: Options = TINY, **more: object
) -> tuple[dict[str, torch.Tensor], Run]:
    run = Run(folder)
    display = Display(Console(file=StringIO()), "train")
    train(make_fabric("cpu", 1, "32-true"), options, name, corpus, run, display, **more)
    return load_file(folder / CHECKPOINT), run


def test_smoke(run_module: Callable[..., CompletedProcess[str]], tmp_path: Path) -> None:
    done = run_module("trainers.lm", "--smoke", "--out", str(tmp_path), "--name", "it")
    assert done.returncode == 0, done.stdout + done.stderr
    folder = tmp_path / "it"
    assert {path.name for path in folder.iterdir()} == {*DEFAULT, "comparison.jsonl", "learning.png"}
    records = [json.loads(line) for line in (folder / "comparison.jsonl").read_text().splitlines()]
    assert [record["model"] for record in records] == list(DEFAULT)
    assert [record["tokens"] for record in records] == [6144, 2048, 6144]
    for record in records:
        metrics = [json.loads(line) for line in (folder / record["model"] / "metrics.jsonl").read_text().splitlines()]
        curve = [r["bits"] for r in metrics if r["event"] == "validation"]
        assert 0 < record["test"] < 8
        assert curve[-1] < 8
        assert len((folder / record["model"] / "sample.txt").read_bytes()) == 64 + 40
    assert curve[-1] < curve[0]
    assert "standard library" in done.stdout
    assert "learning.png" in done.stdout
    assert "Traceback" not in done.stderr


def test_two_processes_keep_the_states_of_both(run_ranks: Callable[..., CompletedProcess[str]], tmp_path: Path) -> None:
    arguments = ("--smoke", "--model", "physics", "--out", str(tmp_path), "--name", "two")
    done = run_ranks(2, "trainers.lm", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    kept = load_file(tmp_path / "two" / "physics" / CHECKPOINT)["more.carried"]
    numbers = 2 * 24 + 2 * 8**2 + 3 * 2 * 8 * 3  # oscillators, matrices, bytes before
    assert kept.shape == (2, 2, 4, numbers)  # processes, layers, windows
    assert not torch.equal(kept[0], kept[1])
    assert read_meta(tmp_path / "two" / "physics")["processes"] == 2


@pytest.mark.parametrize("name", ["physics", "gpt"])
def test_a_resumed_run_is_the_run_that_never_stopped(name: str, tmp_path: Path) -> None:
    whole, run = fit(tmp_path / "whole", name)
    fit(tmp_path / "parts", name, stop_after=5)
    assert read_meta(tmp_path / "parts")["step"] == 5
    parts, resumed = fit(tmp_path / "parts", name, resume=True)
    assert whole.keys() == parts.keys()
    assert ("more.carried" in whole) == (name == "physics")
    assert any(key.startswith("optimizer.") for key in whole)
    assert all(torch.equal(whole[key], parts[key]) for key in whole)
    curves = [[(r["step"], r["bits"]) for r in x.records("validation")] for x in (run, resumed)]
    assert curves[0] == curves[1]
    assert [step for step, _ in curves[0]] == [3, 6, 8]


def test_a_model_learns_a_sentence_that_repeats(tmp_path: Path) -> None:
    _, run = fit(tmp_path, options=replace(TINY, tokens=64 * 200, every=64 * 200, lr=1e-2))
    assert run.records("train")[0]["bits"] > 4
    assert run.records("validation")[-1]["bits"] < 1


def test_weights_of_another_spec_or_text_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fit(tmp_path, stop_after=1)
    assert read_meta(tmp_path)["spec"] == spec_hash("lm", "lm_memory") != spec_hash("lm")
    with pytest.raises(ResumeError, match="was trained on other text"):
        fit(tmp_path, corpus=split_text("other", bytes(9000)), resume=True)
    monkeypatch.setattr("trainers.lm.spec_hash", lambda *packages: "0" * 64)
    with pytest.raises(ResumeError, match="was trained with the spec"):
        fit(tmp_path, resume=True)


def call(*arguments: str) -> Result:
    """The command line in this process."""
    command = typer.Typer()
    command.command()(main)
    return CliRunner().invoke(command, arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--resume", "none"), "error: no checkpoint.safetensors in none"),
        (("--data", "none.txt"), "error: cannot read none.txt"),
        (("--data", "short.txt"), "error: short.txt: the validation split has 30 bytes, a window needs 129"),
        (("--data", "short.txt", "--dataset", "name"), "error: --data and --dataset name two texts"),
    ],
)
def test_errors_are_one_line(
    arguments: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "short.txt").write_bytes(bytes(600))
    done = call("--out", str(tmp_path), *arguments)
    assert done.exit_code == 1
    assert done.stdout.startswith(message)
    assert done.stdout.count("\n") == 1


def test_an_unknown_model_is_named() -> None:
    done = call("--model", "lstm")
    assert done.exit_code == 2
    assert "lstm" in done.output


def test_a_stopped_run_goes_on_with_its_own_options(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_bytes(b"the quick brown fox jumps over the lazy dog. " * 200)
    fit(tmp_path / "it" / "physics", options=replace(TINY, models=("physics", "gpt"), data=str(text)), stop_after=4)
    assert not (tmp_path / "it" / "gpt").exists()
    done = call("--resume", str(tmp_path / "it"))
    assert done.exit_code == 0, done.output
    records = [json.loads(line) for line in (tmp_path / "it" / "comparison.jsonl").read_text().splitlines()]
    assert [(record["model"], record["tokens"]) for record in records] == [("physics", 512), ("gpt", 512)]
    assert [record["step"] for record in Run(tmp_path / "it" / "physics").records("validation")] == [3, 6, 8]
