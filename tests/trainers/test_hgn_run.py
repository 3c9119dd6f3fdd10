"""A whole run of films in small, and going on with one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
import torch
import typer
from click.testing import Result
from rich.console import Console
from safetensors.torch import load_file
from typer.testing import CliRunner

from trainers.common import CHECKPOINT, Display, ResumeError, Run, make_fabric, read_meta, spec_hash
from trainers.hgn import main
from trainers.hgn_model import VARIANTS
from trainers.hgn_systems import SYSTEMS
from trainers.hgn_training import TEST, Case, Options, batch_of, films_of, horizon, train, window_of

TINY = Options(
    systems=("pendulum",), models=("hamiltonian", "recurrent"), seeds=(0,), films=8, frames=6, test=4, steps=8, batch=4,
    seen=3, glance=4, width=8, recurrent=4, every=3,
)  # fmt: skip


def fit(
    folder: Path, model: str = "hamiltonian", options: Options = TINY, **more: object
) -> tuple[dict[str, torch.Tensor], Run]:
    run = Run(folder)
    display = Display(Console(file=StringIO()), "train")
    train(make_fabric("cpu", 1, "32-true"), options, Case("pendulum", model, 0), run, display, **more)
    return load_file(folder / CHECKPOINT), run


def call(*arguments: str) -> Result:
    command = typer.Typer()
    command.command()(main)
    return CliRunner().invoke(command, arguments)


def records_of(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "comparison.jsonl").read_text().splitlines()]


def test_smoke(run_module: Callable[..., CompletedProcess[str]], tmp_path: Path) -> None:
    done = run_module("trainers.hgn", "--smoke", "--out", str(tmp_path), "--name", "it")
    assert done.returncode == 0, done.stdout + done.stderr
    folder = tmp_path / "it"
    assert {path.name for path in folder.iterdir()} == {*SYSTEMS, "comparison.jsonl", "learning.png", "films.png"}
    of = {(r["system"], r["model"]): r for r in records_of(folder)}
    assert set(of) == {(system, model) for system in SYSTEMS for model in VARIANTS}
    for system in SYSTEMS:
        leapfrog, euler, recurrent = (of[system, model] for model in ("hamiltonian", "euler", "recurrent"))
        assert leapfrog["far_drift"] < euler["far_drift"] / 5
        assert "backwards" in leapfrog
        assert "backwards" not in euler
        assert not {"faster", "drift"} & set(recurrent)
        assert recurrent["still_error"] == leapfrog["still_error"] > 0
    assert "films.png" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("model", VARIANTS)
def test_a_resumed_run_is_the_run_that_never_stopped(model: str, tmp_path: Path) -> None:
    whole, run = fit(tmp_path / "whole", model)
    fit(tmp_path / "parts", model, stop_after=5)
    assert read_meta(tmp_path / "parts")["step"] == 5
    parts, resumed = fit(tmp_path / "parts", model, resume=True)
    assert whole.keys() == parts.keys()
    assert any(key.startswith("optimizer.") for key in whole)
    assert all(torch.equal(whole[key], parts[key]) for key in whole)
    curves = [[(r["step"], r["pixel_error"]) for r in x.records("validation")] for x in (run, resumed)]
    assert curves[0] == curves[1]
    assert [step for step, _ in curves[0]] == [3, 6, 8]


def test_a_model_learns(tmp_path: Path) -> None:
    options = replace(TINY, films=100, steps=200, batch=16, glance=16, width=32, every=50)
    _, run = fit(tmp_path, "hamiltonian", options)
    curve = [r["pixel_error"] for r in run.records("validation")]
    assert curve[-1] < 0.85 * curve[0]


def test_the_batch_of_a_step_depends_on_seed_step_and_process_alone() -> None:
    case = Case("pendulum", "hamiltonian", 0)
    for number in (0, 1):
        one, two, other = (batch_of(TINY, case, *which)[number] for which in ((3, 0), (3, 0), (3, 1)))
        assert torch.equal(one, two)
        assert not torch.equal(one, other)


def test_films_of_training_depend_on_the_seed_and_those_of_the_test_do_not() -> None:
    for stream, same in ((0, False), (TEST, True)):
        first, second = (films_of(Case("spring", "hamiltonian", seed), stream, 2, 3) for seed in (0, 1))
        assert torch.equal(first, second) is same
    assert not torch.equal(*(films_of(Case("spring", "hamiltonian", 0), stream, 2, 3) for stream in (0, TEST)))


def test_a_step_begins_anywhere_up_to_the_first_frame_that_is_allowed() -> None:
    case, options = Case("bodies", "hamiltonian", 0), replace(TINY, first=2, planes=2)
    assert batch_of(options, case, 0, 0)[1].shape == (TINY.batch, 8)
    assert {window_of(TINY, case, step, 0).start for step in range(40)} == {0}
    assert {window_of(options, case, step, 0).start for step in range(40)} == {0, 1, 2}
    assert window_of(options, case, 7, 0) == window_of(options, case, 7, 0)
    lengths = [len(range(TINY.frames)[window_of(options, case, step, 0)]) for step in range(8)]
    assert all(TINY.seen <= length <= horizon(step, TINY) for step, length in enumerate(lengths))


def test_films_of_a_step_grow_to_the_whole() -> None:
    grown = [horizon(step, Options(steps=100)) for step in range(100)]
    assert grown[0] == 5
    assert set(np.diff(grown)) == {0, 1}
    assert grown[50:] == 50 * [20]


def test_weights_of_another_spec_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fit(tmp_path, "euler", stop_after=1)
    assert read_meta(tmp_path)["spec"] == spec_hash("hgn_euler")
    monkeypatch.setattr("trainers.hgn_training.spec_hash", lambda package: "0" * 64)
    with pytest.raises(ResumeError, match="was trained with the spec"):
        fit(tmp_path, "euler", resume=True)


def test_a_stopped_run_goes_on_with_its_own_options(tmp_path: Path) -> None:
    fit(tmp_path / "it" / "pendulum" / "hamiltonian-0", stop_after=4)
    done = call("--resume", str(tmp_path / "it"))
    assert done.exit_code == 0, done.output
    records = records_of(tmp_path / "it")
    assert [(r["model"], r["steps"]) for r in records] == [("hamiltonian", 8), ("recurrent", 8)]
    again = call("--resume", str(tmp_path / "it"))  # nothing is left: the table once more
    assert again.exit_code == 0, again.output
    assert records_of(tmp_path / "it") == records


def test_what_cannot_run_is_one_line(tmp_path: Path) -> None:
    for flag, text in (
        ("--system", "kepler"),
        ("--model", "lstm"),
        ("--seeds", "0,0"),
        ("--frames", "5"),
        ("--first", "15"),
    ):
        done = call(flag, text, "--out", str(tmp_path))
        assert done.exit_code == 2
        assert text in done.output
    none = call("--resume", str(tmp_path / "none"))
    assert none.exit_code == 1
    assert none.output.startswith("error: no checkpoint.safetensors in")
