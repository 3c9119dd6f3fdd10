"""The parts by name."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings

import torch

from benchmarks.device.correct import correct
from benchmarks.device.hazards import KINDS, hazard
from benchmarks.device.layers import SEQUENCES, data, everything, layer_of
from benchmarks.device.races import SMOKE, others, pieces, time_race, warps
from benchmarks.device.run import Run


def run_part(run: Run, part: str) -> None:
    kind, _, rest = part.partition(":")
    if kind == "smoke":
        smoke(run)
    elif kind == "correct":
        correct(run, rest)
    elif kind == "hazard":
        hazard(run, rest)
    elif kind == "sanitizer":
        small(run)
    elif kind == "time":
        time_race(run, int(rest))
    else:
        {"others": others, "warps": warps, "pieces": pieces, "functions": functions}[kind](run)


def smoke(run: Run) -> None:
    """Everything once, in one process."""
    for name in run.packages:
        correct(run, name)
    for kind in KINDS:
        hazard(run, kind)
    for which in range(len(SMOKE)):
        time_race(run, which)
    for part in (others, warps, pieces):
        part(run)


def small(run: Run) -> None:
    """What the compute sanitizer watches: every package once, small, with its gradients."""
    warnings.simplefilter("ignore")
    for name in run.packages:
        short = name.rsplit(".", 1)[-1]
        field = (2, 1, 15, 15) if short == "maze" else (2, 8, 15, 15)
        for shape in ((2, 8, 70),) if short in SEQUENCES else (field, (*field[:2], 16, 16)):
            layer = layer_of(run, name, shape[1], "triton", torch.float32)
            everything(layer, data(run, layer, shape, torch.float32))
    torch.cuda.synchronize()


def functions(run: Run) -> None:
    """Every function with two derivatives against mpmath, on the hardware: denormals, overflow, fast instructions. The
    tests of the project hold the sweep."""
    command = [sys.executable, "-m", "pytest", "-q", "tests/functions/test_sweep.py", "-k", "triton"]
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    done = subprocess.run(
        command, env={**environment, "METRIGEN_DEVICE": run.device}, capture_output=True, text=True, check=False
    )
    lines = done.stdout.splitlines()
    wrong = [line.removeprefix("E").strip() for line in lines if "ulp at x" in line]
    run.emit("functions", "sweep", ok=done.returncode == 0, wrong=wrong[:100], end=lines[-1:] if lines else [])
