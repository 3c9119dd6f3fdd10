"""A tiny training that dies (SIGKILL) at its n-th call that logs, syncs or renames.

    python -m tests.trainers.killed maze FOLDER 5     some five of all points, drawn once and for all; 0 is every one

Prints a line a point: what was there after the death, and whether what the resumed run ends with is bit for bit what
the uninterrupted one ends with. Exit code 1 where one is not.
"""

from __future__ import annotations

import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tests.trainers import test_cifar_run, test_criticality, test_flow_run, test_lm_run, test_maze_run, test_sudoku_run
from trainers.cifar_training import Task
from trainers.common import Run, has_checkpoint, load_checkpoint
from trainers.sudokus import make_puzzles

Fit = Callable[..., Any]


def fit_of(name: str) -> Fit:
    """``fit(folder, resume=...)`` of one trainer."""
    if name == "cifar":
        task = Task.load(test_cifar_run.TINY, torch.device("cpu"))
        return lambda folder, **more: test_cifar_run.fit(folder, task, **more)
    if name == "sudoku":
        puzzles = make_puzzles(32, seed=0, split="train")
        return lambda folder, **more: test_sudoku_run.fit(folder, puzzles, **more)
    fits = {"criticality": test_criticality, "flow": test_flow_run, "maze": test_maze_run, "lm": test_lm_run}
    return fits[name].fit


def in_child(work: Callable[[], int]) -> int:
    """Run in a fork; its exit code, or the negative signal that ended it."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 99
        try:
            code = work()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def dying(at: int) -> list[int]:
    """From here on the process dies at its ``at``-th call that logs, syncs or renames; returns the count of calls."""
    calls = [0]

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            calls[0] += 1
            if calls[0] == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*given, **named)

        return call

    os.fsync, Path.replace, Run.log = counted(os.fsync), counted(Path.replace), counted(Run.log)
    return calls


def tried(fit: Fit, folder: Path, wanted: Path, at: int) -> tuple[int | None, bool]:
    """The step of the checkpoint that a death left, and whether the resumed run ends like the one in ``wanted``."""

    def killed() -> int:
        dying(at)
        fit(folder)
        return 0

    def resumed() -> int:
        fit(folder, resume=has_checkpoint(folder))
        return 0

    assert in_child(killed) == -signal.SIGKILL
    there = load_checkpoint(folder).meta["step"] if has_checkpoint(folder) else None
    assert in_child(resumed) == 0
    true, found = (load_checkpoint(place).tensors for place in (wanted, folder))
    same = true.keys() == found.keys() and all(torch.equal(true[key], found[key]) for key in true)
    return there, same and timeless(folder) == timeless(wanted)


def main(name: str, folder: Path, count: int) -> int:
    fit = fit_of(name)

    def whole() -> int:
        calls = dying(0)
        fit(folder / "whole")
        return calls[0]

    points = in_child(whole)
    assert points > 20, points
    wrong = 0
    for at in sorted(random.Random(0).sample(range(1, points + 1), count or points)):
        there, same = tried(fit, folder / str(at), folder / "whole", at)
        wrong += not same
        print(f"{name}: killed at {at} of {points}, checkpoint of step {there}: {'same' if same else 'OTHER'} bits")
    return int(wrong > 0)


def timeless(folder: Path) -> list[dict[str, Any]]:
    """What was logged, without what a clock says, and that a death was between two renames."""
    return [
        {key: value for key, value in record.items() if "second" not in key and key not in ("elapsed", "worked")}
        for record in Run(folder).records()
        if record["event"] != "fallback"
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
