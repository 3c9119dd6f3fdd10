"""What is asked of the models, worked out by hand; a run in small, and going on with one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from torch import Tensor, nn

from trainers.common import CHECKPOINT, Display, ResumeError, Run, make_fabric, read_meta
from trainers.recall import MODELS, Options, share_right, train
from trainers.recall_report import Case
from trainers.recall_tasks import KEYS, MARK, NOTHING, STOP, TASKS, batch_of, copy, induction, recall

TINY = Options(
    tasks=("copy",), models=("physics",), steps=8, batch=4, width=16, oscillators=8, modes=4, rank=4, key=8, tested=4,
    every=3,
)  # fmt: skip


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_every_key_is_asked_once_for_its_value() -> None:
    text, asked = recall(rng(), 5, 7)
    assert text.shape == asked.shape == (5, 28)
    for line, wanted in zip(text.tolist(), asked.tolist(), strict=True):
        pairs = dict(zip(line[:14:2], line[1:14:2], strict=True))
        assert len(pairs) == 7
        assert all(key < KEYS <= value for key, value in pairs.items())
        assert sorted(line[14::2]) == sorted(pairs)
        assert wanted == [NOTHING] * 14 + [x for key in line[14::2] for x in (pairs[key], NOTHING)]
        assert line[15::2] == wanted[14::2]


def test_what_followed_the_mark_is_asked_at_the_end() -> None:
    text, asked = induction(rng(), 50, 6)
    assert text.shape == (50, 7)
    for line, wanted in zip(text.tolist(), asked.tolist(), strict=True):
        place = line.index(MARK)
        assert place < 5
        assert line[-1] == MARK
        assert line.count(MARK) == 2
        assert wanted == [NOTHING] * 6 + [line[place + 1]]
    assert len({line.index(MARK) for line in text.tolist()}) == 5


def test_the_symbols_are_asked_in_their_order() -> None:
    text, asked = copy(rng(), 3, 4)
    for line, wanted in zip(text.tolist(), asked.tolist(), strict=True):
        assert line[4] == STOP
        assert line[5:] == line[:3]
        assert wanted == [NOTHING] * 4 + line[:4]


@pytest.mark.parametrize("task", TASKS)
def test_batches_depend_on_seed_and_step_alone(task: str) -> None:
    first, again, other, seeded = (batch_of(task, *at, 4) for at in ((1, 5), (1, 5), (1, 8), (2, 5)))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    lengths = {batch_of(task, 0, step, 2)[0].shape[1] for step in range(6)}
    assert len(lengths) == len(TASKS[task].trained)
    assert first[0].shape != other[0].shape or not torch.equal(first[0], other[0])
    assert not torch.equal(first[0], seeded[0])


class Knows(nn.Module):
    """Says at every place what is asked there, but at the first ``wrong`` places of a sequence another symbol."""

    def __init__(self, task: str, size: int, seed: int, wrong: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        drawn = TASKS[task].draw(np.random.default_rng([seed, 1, list(TASKS).index(task), size]), 20, size)[1]
        scored = drawn != NOTHING
        miss = scored & (scored.cumsum(1) <= wrong)
        self.said = torch.where(miss, drawn + 1, drawn).clamp_min(0)

    def forward(self, text: Tensor, state: Any = None) -> tuple[Tensor, None]:
        return nn.functional.one_hot(self.said, 256), None


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("wrong", [0, 1])
def test_the_share_of_right_answers(task: str, wrong: int) -> None:
    size = 8
    asked = {"recall": size, "induction": 1, "copy": size}[task]
    assert share_right(Knows(task, size, 3, wrong), task, size, 20, 3) == pytest.approx(1 - wrong / asked)


def fit(folder: Path, model: str = "physics", options: Options = TINY, **more: Any) -> tuple[dict[str, Tensor], Run]:
    run = Run(folder)
    display = Display(Console(file=StringIO()), "train")
    train(make_fabric("cpu", 1, "32-true"), options, Case(options.tasks[0], model, 0), run, display, **more)
    return load_file(folder / CHECKPOINT), run


def test_smoke(run_module: Callable[..., CompletedProcess[str]], tmp_path: Path) -> None:
    done = run_module("trainers.recall", "--smoke", "--out", str(tmp_path), "--name", "it")
    assert done.returncode == 0, done.stdout + done.stderr
    folder = tmp_path / "it"
    assert {path.name for path in folder.iterdir()} == {*TASKS, "comparison.jsonl", "learning.png"}
    records = [json.loads(line) for line in (folder / "comparison.jsonl").read_text().splitlines()]
    assert [(r["task"], r["model"]) for r in records] == [(task, model) for task in TASKS for model in MODELS]
    assert all(set(r["right"]) == {str(size) for size in TASKS[r["task"]].tested} for r in records)
    counts = [r["parameters"] for r in records]
    assert max(counts) < 1.04 * min(counts)
    assert "not trained" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_resumed_run_is_the_run_that_never_stopped(tmp_path: Path) -> None:
    whole, run = fit(tmp_path / "whole")
    fit(tmp_path / "parts", stop_after=5)
    assert read_meta(tmp_path / "parts")["step"] == 5
    parts, resumed = fit(tmp_path / "parts", resume=True)
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[key], parts[key]) for key in whole)
    curves = [[(r["step"], r["right"]) for r in x.records("validation")] for x in (run, resumed)]
    assert curves[0] == curves[1]
    assert [step for step, _ in curves[0]] == [3, 6, 8]


def test_weights_of_another_spec_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fit(tmp_path, stop_after=1)
    monkeypatch.setattr("trainers.recall.spec_hash", lambda *packages: "0" * 64)
    with pytest.raises(ResumeError, match="was trained with the spec"):
        fit(tmp_path, resume=True)


@pytest.mark.parametrize("model", MODELS)
def test_a_model_learns(model: str, tmp_path: Path) -> None:
    options = replace(TINY, tasks=("induction",), steps=60, batch=32, every=60, lr=1e-2, gpt_lr=1e-2)
    _, run = fit(tmp_path, model, options)
    losses = [record["nats"] for record in run.records("train")]
    assert losses[-1] < losses[0] - 0.5
