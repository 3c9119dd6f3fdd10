"""A run after SIGKILL, a torn line, a damaged checkpoint, and Ctrl-C. METRIGEN_LONG=1: every point of death."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import torch
from torch import nn

from tests.lengths import LONG
from tests.trainers.test_maze_run import fit
from trainers.common import (
    CHECKPOINT,
    EARLIER,
    METRICS,
    ResumeError,
    Run,
    has_checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from trainers.sudoku_weights import WEIGHTS, load_weights
from trainers.sudokus import cached_puzzles


@pytest.mark.parametrize("name", ["maze", "sudoku", "lm", "cifar", "flow", "criticality"])
def test_a_killed_run_goes_on_bit_for_bit(
    name: str, run_module: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    done = run_module("tests.trainers.killed", name, str(tmp_path), "0" if LONG else "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("same bits") >= 2


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was stopped after step 5 of 8; its checkpoints are those of the steps 3 and 5."""
    folder = tmp_path_factory.mktemp("stopped") / "run"
    fit(folder, stop_after=5)
    return folder


@pytest.fixture
def folder(stopped: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return shutil.copytree(stopped, tmp_path / "run")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """The weights of the run that never stopped."""
    return fit(tmp_path_factory.mktemp("never") / "run")[0]


@pytest.mark.parametrize("cut", ["half", "newline", "zeros", "letter"])
def test_a_torn_last_line_is_dropped(folder: Path, whole: dict[str, torch.Tensor], cut: str) -> None:
    path = folder / METRICS
    text = path.read_bytes().rstrip(b"\n")
    last = text.rindex(b"\n") + 1
    torn = {"half": text[: (last + len(text)) // 2], "newline": text, "zeros": text[:last] + bytes(40),
            "letter": text[:last] + '{"event": "é'.encode()[:-1]}  # fmt: skip
    path.write_bytes(torn[cut])
    resumed, again = fit(folder, resume=True)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert [r["step"] for r in again.records("train")] == list(range(1, 9))
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_a_line_that_is_damaged_elsewhere_is_named(folder: Path) -> None:
    lines = (folder / METRICS).read_text().splitlines(keepends=True)
    (folder / METRICS).write_text("".join([lines[0], lines[1][:9] + "\n", *lines[2:]]))
    with pytest.raises(ResumeError, match=r"metrics.jsonl, line 2 is no JSON"):
        fit(folder, resume=True)


def damaged(data: bytes, how: str) -> bytes:
    middle = len(data) // 2
    header = 8 + int.from_bytes(data[:8], "little")
    changed = bytearray(data)
    if how == "bit":
        changed[middle] ^= 1
    elif how == "zeros":
        changed[middle : middle + 64] = bytes(64)
    elif how == "last bit":
        changed[-1] ^= 128
    elif how == "header":
        changed[header // 2] ^= 1
    elif how == "length":
        changed[3] ^= 64
    return {"cut": data[:middle], "empty": b"", "cut in the header": data[:20]}.get(how, bytes(changed))


DAMAGE = ("bit", "zeros", "last bit", "header", "length", "cut", "empty", "cut in the header")


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_checkpoint_falls_back_to_the_one_before(
    folder: Path, tmp_path: Path, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / CHECKPOINT
    whole = path.read_bytes()
    assert damaged(whole, how) != whole
    path.write_bytes(damaged(whole, how))
    kept = load_checkpoint(folder)
    assert kept.meta["step"] == 3
    assert f"{CHECKPOINT}: " in str(kept.note)
    assert f"Goes on from {EARLIER}, step 3" in str(kept.note)
    # What is damaged takes the place of nothing that is whole.
    layer = nn.Linear(2, 2)
    earlier = (folder / EARLIER).read_bytes()
    save_checkpoint(folder, layer, torch.optim.Adam(layer.parameters()), {"step": 6})
    assert (folder / EARLIER).read_bytes() == earlier
    assert load_checkpoint(folder).meta["step"] == 6


def test_a_run_that_fell_back_says_so_and_ends_with_the_same_bits(folder: Path, whole: dict[str, torch.Tensor]) -> None:
    path = folder / CHECKPOINT
    path.write_bytes(damaged(path.read_bytes(), "zeros"))
    resumed, run = fit(folder, resume=True)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    (record,) = run.records("fallback")
    assert record["step"] == 3
    assert EARLIER in record["note"]


def test_none_that_is_whole_is_an_error_that_names_both(folder: Path) -> None:
    for name in (CHECKPOINT, EARLIER):
        (folder / name).write_bytes(damaged((folder / name).read_bytes(), "bit"))
    with pytest.raises(ResumeError, match=rf"{CHECKPOINT}: its bytes are not .*; {EARLIER}: its bytes are not") as told:
        fit(folder, resume=True)
    assert "Start a new run" in str(told.value)


def test_between_two_renames_there_is_the_one_before(folder: Path) -> None:
    (folder / CHECKPOINT).unlink()
    assert has_checkpoint(folder)
    assert load_checkpoint(folder).meta["step"] == 3


def test_weights_and_puzzles_are_checked_too(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(damaged(WEIGHTS.read_bytes(), "zeros"))
    with pytest.raises(ResumeError, match="sha256"):
        load_weights(tmp_path / "weights")
    made = cached_puzzles(tmp_path, 2, seed=0, split="train")
    (path,) = tmp_path.glob("*.npz")
    for how in ("bit", "cut", "empty", "zeros"):
        path.write_bytes(damaged(path.read_bytes(), how))
        again = cached_puzzles(tmp_path, 2, seed=0, split="train")
        assert all((value == vars(again)[name]).all() for name, value in vars(made).items())


def test_an_interruption_waits_for_the_end_of_a_step(
    whole: dict[str, torch.Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, calls = torch.optim.Adam.step, [0]

    def interrupted(adam: torch.optim.Adam, *given: object, **named: object) -> object:
        calls[0] += 1
        if calls[0] == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return step(adam, *given, **named)

    monkeypatch.setattr(torch.optim.Adam, "step", interrupted)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "parts")
    assert signal.getsignal(signal.SIGINT) is before
    assert load_checkpoint(tmp_path / "parts").meta["step"] == 4
    parts, _ = fit(tmp_path / "parts", resume=True)
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert len(Run(tmp_path / "parts").records("train")) == 8
