"""A user's file that makes layers, calls them and reads their fields has types, strictly."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

USER = """
import torch
from torch import Tensor, nn

from generated.cifar import Cifar, CifarState
from generated.lm import Lm, LmState
from generated.maze import Maze
from generated.sudoku import Sudoku


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 1)
        self.layer = Cifar(8, steps=2, dt=0.1, init={"c1": (0.2, 0.8)}, device="cpu", dtype=torch.float32)
        self.head = nn.Linear(self.layer.readout_channels, 10)

    def forward(self, x: Tensor) -> Tensor:
        state = self.layer(self.layer(self.stem(x)))
        energy: Tensor = self.layer.energy(state)
        kept: CifarState = state.last.detach().clone().to(torch.float64)
        assert kept.phi.dtype == torch.float64
        moved: CifarState = self.layer.rates(state)
        found: Tensor = self.head(self.layer.readout(state).mean((2, 3)))
        return found + (state.phi * moved.pi).sum() + energy.sum()


def tokens(layer: Lm, x: Tensor) -> LmState:
    return layer(theta=x, lam=x, f_q=x, f_p=x).last


speed: Tensor = Cifar(8).c1
alone: set[str] = Cifar(8).no_weight_decay()
backend: str = Cifar(8).last_backend
field: Tensor = Maze(2)(torch.ones(1, 2, 5, 5), torch.ones(1, 2, 5, 5)).u
steady: Tensor = Sudoku(2)(torch.ones(1, 2, 6), torch.ones(2, 6, 6)).phi
"""
WRONG = """
from generated.cifar import Cifar

layer = Cifar(8, speed=2.0)
number: str = layer.readout_channels
layer(None).nothing_like_it
"""


@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="needs mypy")
def test_a_file_of_a_user_passes_mypy_strictly(root: Path, tmp_path: Path) -> None:
    for name in ("cifar", "lm", "maze", "sudoku"):
        shutil.copytree(root / "generated" / name, tmp_path / "generated" / name)
        assert (tmp_path / "generated" / name / "py.typed").is_file()
    found = []
    for file, text in (("user.py", USER), ("wrong.py", WRONG)):
        (tmp_path / file).write_text(text, encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--config-file=",
            f"--cache-dir={root / '.mypy_cache/of_users'}",
            file,
        ]
        found.append(subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False))
    right, wrong = found
    assert right.returncode == 0, right.stdout + right.stderr
    for code in ("call-arg", "assignment", "attr-defined"):
        assert f"[{code}]" in wrong.stdout
