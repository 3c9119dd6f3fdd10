"""PyTorch as it is written, operation by operation; neighbours by roll, or by two slices."""

from __future__ import annotations

from collections.abc import Callable

import torch

from benchmarks.contender import Contender
from benchmarks.peers import torch_functions as f
from benchmarks.races import BLOCK, Race
from benchmarks.torch_driver import Tensors, contender, tensors

NAME = "torch eager"
GRADIENTS = True
KINDS = ("evolve", "block", "whole", "poisson", "readout")
SHIFTS: dict[str, f.Shift] = {"roll": f.rolled, "slices": f.concatenated}


def version() -> str:
    return f"torch {torch.__version__}"


def function(race: Race, shift: f.Shift) -> Callable[[f.Given], Tensors]:
    """The race as a function of its inputs."""
    k, dt = race.steps, race.dt
    if race.kind == "evolve":
        return lambda given: f.evolve(given, k, dt, shift)
    if race.kind == "readout":
        return lambda given: (f.readout(given, shift),)
    if race.kind == "block":
        return lambda given: (f.block(given, k, dt, BLOCK, shift),)
    if race.kind == "whole":
        return lambda given: (f.whole(given, k, dt, BLOCK, shift),)
    # Every iteration of an eager loop can afford to look at the residual.
    return lambda given: (f.poisson(given, race.options["rtol"], race.options["max_iter"], 1),)


def contenders(race: Race, device: str) -> tuple[Contender, ...]:
    if race.kind == "poisson":
        return (_one(race, NAME, f.rolled, device),)
    return tuple(_one(race, f"{NAME} ({name})", shift, device) for name, shift in SHIFTS.items())


def _one(race: Race, name: str, shift: f.Shift, device: str) -> Contender:
    given = tensors(race, device)
    run = function(race, shift)
    leaves = tuple(given[x] for x in race.wanted)
    return contender(race, name, NAME, lambda: run(given), leaves, device)
