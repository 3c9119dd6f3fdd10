"""A whole run in small, going on with one, and solving a file with trained weights."""

from __future__ import annotations

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

from trainers.common import CHECKPOINT, EARLIER, Display, ResumeError, Run, make_fabric, read_meta, spec_hash
from trainers.sudoku import SMOKE, Options, train
from trainers.sudoku_evaluate import evaluate
from trainers.sudoku_pool import Pool, empty_pool, fill, leave, members
from trainers.sudoku_weights import WEIGHTS, load_weights
from trainers.sudokus import Puzzles, make_puzzles

TINY = replace(Options(), **(SMOKE | {"steps": 8, "every": 3}))
PUZZLE = "530070000600195000098000060800060003400803001700020006060000280000419005000080079"
PICTURES = {"learning.png", "couplings.png", "cells.png", "solving.png"}


@pytest.fixture(scope="module")
def puzzles() -> Puzzles:
    return make_puzzles(32, seed=0, split="train")


def fit(
    folder: Path, puzzles: Puzzles, options: Options = TINY, **more: bool | int
) -> tuple[dict[str, torch.Tensor], Run]:
    run = Run(folder)
    display = Display(Console(file=StringIO()), "train")
    train(make_fabric("cpu", 1, "32-true"), options, puzzles, run, display, **more)
    return load_file(folder / CHECKPOINT), run


def test_smoke_and_a_file_of_puzzles(run_module: Callable[..., CompletedProcess[str]], tmp_path: Path) -> None:
    done = run_module("trainers.sudoku", "--smoke", "--out", str(tmp_path), "--name", "it")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "it"
    assert {"metrics.jsonl", CHECKPOINT, EARLIER, WEIGHTS.name} | PICTURES == {path.name for path in folder.iterdir()}
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [r["step"] for r in records if r["event"] == "train"] == list(range(1, 13))
    tests = [r for r in records if r["event"] == "test"]
    assert sum(r["puzzles"] for r in tests) == SMOKE["tests"]
    assert all(0 <= r[name] <= 1 for r in tests for name in ("exact", "first", "cells", "conflict", "settled"))
    assert "Traceback" not in done.stderr

    (tmp_path / "puzzles.txt").write_text(f"{PUZZLE}\n")
    weights = ["--weights", str(folder / WEIGHTS.name), "--most", "3", "--attempts", "2", "--eval"]
    done = run_module("trainers.sudoku", *weights, str(tmp_path / "puzzles.txt"))
    assert done.returncode == 0, done.stderr
    assert "1 puzzles, by level" in done.stdout
    (tmp_path / "wrong.txt").write_text("12\n")
    done = run_module("trainers.sudoku", *weights, str(tmp_path / "wrong.txt"))
    assert done.returncode == 1
    assert done.stdout.startswith("error: ")
    assert "wrong.txt, line 1: the puzzle has 2 characters" in done.stdout
    assert "Traceback" not in done.stderr + done.stdout


def test_a_resumed_run_is_the_run_that_never_stopped(tmp_path: Path, puzzles: Puzzles) -> None:
    whole, run = fit(tmp_path / "whole", puzzles)
    fit(tmp_path / "parts", puzzles, stop_after=5)
    assert read_meta(tmp_path / "parts")["step"] == 5
    parts, resumed = fit(tmp_path / "parts", puzzles, resume=True)
    assert whole.keys() == parts.keys()
    assert {name.split(".")[0] for name in whole} == {"model", "optimizer", "more"}
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert [len(x.records("start")) for x in (run, resumed)] == [1, 1]
    curves = [[(r["step"], r["loss"], r["entered"]) for r in x.records("train")] for x in (run, resumed)]
    assert curves[0] == curves[1]


def test_the_weights_of_a_run_are_the_averaged_ones(tmp_path: Path, puzzles: Puzzles) -> None:
    kept, _ = fit(tmp_path, puzzles)
    network = load_weights(tmp_path / WEIGHTS.name)
    for name, value in network.state_dict().items():
        assert torch.equal(value, kept[f"more.average.{name}"])
    assert not torch.equal(kept["model.theta"], kept["more.average.theta"])


def test_two_processes_are_one_run(run_ranks: Callable[..., CompletedProcess[str]], tmp_path: Path) -> None:
    given = ("--smoke", "--accelerator", "cpu", "--out", str(tmp_path), "--name", "two")
    done = run_ranks(2, "trainers.sudoku", *given)
    assert done.returncode == 0, done.stderr
    kept = load_file(tmp_path / "two" / CHECKPOINT)
    assert kept["more.pool.state"].shape[:2] == (2, SMOKE["pool"])
    assert not torch.equal(kept["more.pool.state"][0], kept["more.pool.state"][1])
    with pytest.raises(ResumeError, match="by 2 processes, not 1"):
        fit(tmp_path / "two", make_puzzles(8, seed=0, split="train"), resume=True)


def test_weights_of_another_spec_are_refused(tmp_path: Path, puzzles: Puzzles, monkeypatch: pytest.MonkeyPatch) -> None:
    fit(tmp_path, puzzles, stop_after=1)
    assert read_meta(tmp_path)["spec"] == spec_hash("sudoku")
    monkeypatch.setattr("trainers.sudoku.spec_hash", lambda package: "0" * 64)
    monkeypatch.setattr("trainers.sudoku_weights.spec_hash", lambda package: "0" * 64)
    with pytest.raises(ResumeError, match="was trained with the spec"):
        fit(tmp_path, puzzles, resume=True)
    with pytest.raises(ResumeError, match="was trained with the spec"):
        load_weights(tmp_path / WEIGHTS.name)
    with pytest.raises(ResumeError, match="no weights in"):
        load_weights(tmp_path / "none")


def test_puzzles_stay_come_and_go(puzzles: Puzzles) -> None:
    pool, by_level = empty_pool(6, 2, 81), members(puzzles)
    assert fill(pool, by_level, (1.0, 0.0, 0.0, 0.0), (2, 2), (0, 0, 0)) == 6
    assert (puzzles.level[pool.index] == 0).all()
    before = pool.index.clone()
    state = torch.ones_like(pool.state)
    leave(pool, state, torch.zeros(6, dtype=torch.bool), (0, 0, 1))
    assert not pool.fresh.any()
    assert fill(pool, by_level, (0.0, 0.0, 0.0, 1.0), (2, 2), (0, 1, 0)) == 0
    leave(pool, state, torch.zeros(6, dtype=torch.bool), (0, 1, 1))
    assert pool.fresh.all()  # two segments are over
    fill(pool, by_level, (0.0, 0.0, 0.0, 1.0), (20, 20), (0, 2, 0))
    assert (puzzles.level[pool.index] == 3).all()
    assert (pool.index != before).all()
    gone = 0
    for step in range(40):  # solved puzzles leave with probability one half: 120 +- 8 of 240
        pool.fresh = torch.zeros(6, dtype=torch.bool)
        pool.left[:] = 20
        leave(pool, state, torch.ones(6, dtype=torch.bool), (0, step, 1))
        gone += int(pool.fresh.sum())
    assert 80 < gone < 160


def test_what_is_drawn_depends_on_seed_step_and_process_alone(puzzles: Puzzles) -> None:
    def draw(*key: int) -> Pool:
        pool = empty_pool(16, 2, 81)
        fill(pool, members(puzzles), (1.0, 1.0, 1.0, 1.0), (2, 9), key)
        return pool

    one, same, other = draw(0, 3, 0, 0), draw(0, 3, 0, 0), draw(0, 3, 1, 0)
    assert torch.equal(one.index, same.index)
    assert torch.equal(one.left, same.left)
    assert not torch.equal(one.index, other.index)


def test_the_weights_of_the_project_solve_puzzles_they_have_not_seen() -> None:
    puzzles = make_puzzles(48, seed=5, split="test")
    report = evaluate(load_weights(WEIGHTS), puzzles, 64, 8)
    easy, hardest = (report.scores[name] for name in ("easy", "hardest"))
    assert min(easy.puzzles, hardest.puzzles) > 8
    assert easy.figures()["exact"] > 0.9
    assert hardest.figures()["exact"] > 0.7
    assert sum(x.settled - x.exact for x in report.scores.values()) <= 0  # what it is sure of is right


def test_nothing_to_resume_is_one_line(run_module: Callable[..., CompletedProcess[str]], tmp_path: Path) -> None:
    done = run_module("trainers.sudoku", "--resume", str(tmp_path / "none"))
    assert done.returncode == 1
    assert done.stdout.startswith("error: no checkpoint.safetensors in")
    assert "Traceback" not in done.stderr + done.stdout
