"""PyTorch through inductor: all steps in one graph; on one large grid a graph a step, since fifty steps do not fit."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.contender import Contender
from benchmarks.peers import torch_functions as f
from benchmarks.peers.torch_eager import SHIFTS, function
from benchmarks.races import Race
from benchmarks.torch_driver import Tensors, contender, tensors

NAME = "torch.compile"
GRADIENTS = True
KINDS = ("evolve", "block", "whole", "poisson", "readout")
MOST_UNROLLED = 16
CHUNK = 8


def version() -> str:
    return f"torch {torch.__version__} (inductor)"


def _stepwise(race: Race, shift: f.Shift) -> Callable[[f.Given], Tensors]:
    step = torch.compile(lambda phi, pi, drift, c: f.step(phi, pi, drift, race.dt, c, shift), dynamic=False)

    def run(given: f.Given) -> Tensors:
        c = f.coefficients(given, race.dt)
        phi, pi = f.start(given, race.dt), given["pi"]
        for k in range(race.steps):
            phi, pi = step(phi, pi, race.dt if k < race.steps - 1 else 0.5 * race.dt, c)
        return phi, pi

    return run


def _poisson(race: Race) -> Callable[[f.Given], Tensors]:
    run = torch.compile(f.iterations, fullgraph=True, dynamic=False)
    rtol, most = race.options["rtol"], race.options["max_iter"]

    def solve(given: f.Given) -> Tensors:
        return (f.poisson(given, rtol, most, CHUNK, run),)

    return solve


def contenders(race: Race, device: str) -> tuple[Contender, ...]:
    if race.kind == "poisson":
        return (_one(race, NAME, _poisson(race), device),)
    found = []
    for name, shift in SHIFTS.items():
        if race.steps > MOST_UNROLLED:
            run = _stepwise(race, shift)
        else:
            run = torch.compile(function(race, shift), fullgraph=True, dynamic=False)
        found.append(_one(race, f"{NAME} ({name})", run, device))
    return tuple(found)


def _one(race: Race, name: str, run: Callable[[f.Given], Tensors], device: str) -> Contender:
    given: dict[str, Tensor] = tensors(race, device)
    leaves = tuple(given[x] for x in race.wanted)
    return contender(race, name, NAME, lambda: run(given), leaves, device)
