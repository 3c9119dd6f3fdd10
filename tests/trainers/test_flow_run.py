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
from rich.console import Console
from safetensors.torch import load_file
from typer.testing import CliRunner

from trainers.common import CHECKPOINT, Display, ResumeError, Run, make_fabric, read_meta, spec_hash
from trainers.flow import Options, batch_of, main, train
from trainers.flow_data import DENSITIES
from trainers.flow_report import Case

TINY = Options(
    densities=("rings",), models=("hamiltonian", "rotation"), seeds=(0,), steps=8, batch=16, blocks=1, width=4,
    couplings=2, points=16, tested=4, every=3,
)  # fmt: skip
CASES = {model: Case("rings", model, 0) for model in ("hamiltonian", "rotation", "realnvp")}


def fit(
    folder: Path, model: str = "hamiltonian", options: Options = TINY, density: str = "rings", **more: object
) -> tuple[dict[str, torch.Tensor], Run]:
    run = Run(folder)
    display = Display(Console(file=StringIO()), "train")
    train(make_fabric("cpu", 1, "32-true"), options, Case(density, model, 0), run, display, **more)
    return load_file(folder / CHECKPOINT), run


def test_smoke(run_module: Callable[..., CompletedProcess[str]], tmp_path: Path) -> None:
    done = run_module("trainers.flow", "--smoke", "--out", str(tmp_path), "--name", "it")
    assert done.returncode == 0, done.stdout + done.stderr
    folder = tmp_path / "it"
    assert {path.name for path in folder.iterdir()} == {
        "moons", "rings", "comparison.jsonl", "learning.png", "samples.png"
    }  # fmt: skip
    records = [json.loads(line) for line in (folder / "comparison.jsonl").read_text().splitlines()]
    of = {(r["density"], r["model"]): r for r in records}
    assert set(of) == {(d, m) for d in ("moons", "rings") for m in CASES} - {("moons", "rotation")}
    assert of["rings", "rotation"]["symmetry64"] < 1e-10 < 1e-2 < of["rings", "hamiltonian"]["symmetry64"]
    assert all(r["volume64"] < 1e-10 for r in records if r["model"] != "realnvp")
    assert all(r["missed"] > 0 for r in records)
    assert "samples.png" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("model", CASES)
def test_a_resumed_run_is_the_run_that_never_stopped(model: str, tmp_path: Path) -> None:
    whole, run = fit(tmp_path / "whole", model)
    fit(tmp_path / "parts", model, stop_after=5)
    assert read_meta(tmp_path / "parts")["step"] == 5
    parts, resumed = fit(tmp_path / "parts", model, resume=True)
    assert whole.keys() == parts.keys()
    assert any(key.startswith("optimizer.") for key in whole)
    assert all(torch.equal(whole[key], parts[key]) for key in whole)
    curves = [[(r["step"], r["nats"]) for r in x.records("validation")] for x in (run, resumed)]
    assert curves[0] == curves[1]
    assert [step for step, _ in curves[0]] == [3, 6, 8]


@pytest.mark.parametrize("model", CASES)
def test_a_model_learns(model: str, tmp_path: Path) -> None:
    density = "rings" if model == "rotation" else "moons"
    options = replace(TINY, steps=150, batch=64, every=10, blocks=2, width=8)
    _, run = fit(tmp_path, model, options, density)
    curve = [r["nats"] for r in run.records("validation")]
    assert curve[-1] < curve[0] - 0.2


def test_the_points_of_a_step_depend_on_seed_step_and_process_alone() -> None:
    density = DENSITIES["rings"]()
    case = CASES["hamiltonian"]
    one, two, other = (batch_of(density, TINY, case, *which)[0] for which in ((3, 0), (3, 0), (3, 1)))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    more = batch_of(density, TINY, CASES["realnvp"], 3, 0)[0]
    assert torch.equal(more[: len(one)], one)
    assert len(more) == TINY.importance * len(one)


def test_weights_of_another_spec_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fit(tmp_path, "rotation", stop_after=1)
    assert read_meta(tmp_path)["spec"] == spec_hash("flow_rotation")
    monkeypatch.setattr("trainers.flow.spec_hash", lambda package: "0" * 64)
    with pytest.raises(ResumeError, match="was trained with the spec"):
        fit(tmp_path, "rotation", resume=True)


def test_a_stopped_run_goes_on_with_its_own_options(tmp_path: Path) -> None:
    fit(tmp_path / "it" / CASES["hamiltonian"].folder, stop_after=4)
    command = typer.Typer()
    command.command()(main)
    done = CliRunner().invoke(command, ["--resume", str(tmp_path / "it")])
    assert done.exit_code == 0, done.output
    records = [json.loads(line) for line in (tmp_path / "it" / "comparison.jsonl").read_text().splitlines()]
    assert [(r["model"], r["steps"]) for r in records] == [("hamiltonian", 8), ("rotation", 8)]
    again = CliRunner().invoke(command, ["--resume", str(tmp_path / "it")])  # nothing is left: the table once more
    assert again.exit_code == 0, again.output
    assert [json.loads(line) for line in (tmp_path / "it" / "comparison.jsonl").read_text().splitlines()] == records


@pytest.mark.parametrize("arguments", [("--density", "circles"), ("--model", "glow"), ("--seeds", "0,0")])
def test_what_is_not_known_is_named(arguments: tuple[str, str]) -> None:
    command = typer.Typer()
    command.command()(main)
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 2
    assert arguments[1] in done.output


def test_nothing_to_resume_is_one_line(run_module: Callable[..., CompletedProcess[str]], tmp_path: Path) -> None:
    done = run_module("trainers.flow", "--resume", str(tmp_path / "none"))
    assert done.returncode == 1
    assert done.stdout.startswith("error: no checkpoint.safetensors in")
    assert "Traceback" not in done.stderr + done.stdout
