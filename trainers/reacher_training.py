"""What determines a run of the arm, its data, the training loop, and what is measured when it has ended."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from generated.reacher_learned import ReacherLearned
from trainers.common import (
    Display,
    Run,
    begin,
    interruption,
    save_checkpoint,
    spec_hash,
)
from trainers.identify import LevenbergMarquardt, physical_errors, uncertainty
from trainers.reacher_models import STEP, Arm, Learned, RateNetwork, StepNetwork
from trainers.reacher_planner import SUCCESS, Planner, reach
from trainers.reacher_worlds import WORLDS, World, free_of_limit, random_episodes
from trainers.sizes import parameters
from trainers.trajectories import Shooting, Trajectories, divergence_steps, misses

MODELS = ("arm", "step", "rate")
PACKAGES = {"arm": "reacher", "corrected": "reacher_learned"}  # models that are an emitted layer
ALL = (*MODELS, "corrected")
SCALE = (1.0, 1.0, 10.0, 10.0)  # of a state: noise of speeds is ten times that of angles, in seconds
HELD, UNSEEN = 100_000, 200_000  # seeds of held-out episodes and of the goals of the test
HELD_STEPS = 20  # of a rollout on held-out episodes
LOST = 0.05  # radians off: the rollout has left the arm
WARM_UP = 0.05  # of the optimiser steps of a network


@dataclass(frozen=True)
class Options:
    """What determines the result of a run; kept in the checkpoint.

    model     "arm" (the emitted layer), "corrected" (the one with a learned potential beside the formula), "step" (a
              network for the next state) or "rate" (one for the rates)
    episodes  of random actions, 50 steps each, that it learns from
    noise     deviation of the angles as seen, in radians; of the speeds ten times as much, in radians a second
    window    steps of a rollout in the loss
    steps     of the optimiser: Levenberg and Marquardt's for an arm, AdamW for networks
    reach     how far a number of an arm moves in one of its steps
    batch, lr, decay, hidden, linear   of networks: windows a step, peak learning rate, weight decay, width, and
                                       whether a linear map stands beside the two hidden layers
    goals     unseen ones of the test, 0 for none; plans: how many the planner tries at a time
    """

    model: str = "arm"
    episodes: int = 5
    seed: int = 0
    world: str = "mujoco"
    noise: float = 0.0
    window: int = 5
    steps: int = 10
    reach: float = 1.0
    batch: int = 128
    lr: float = 1e-2
    decay: float = 0.3
    hidden: int = 64
    linear: bool = True
    every: int = 100
    goals: int = 500
    plans: int = 32


# What a model is trained with: the arm takes few steps on all windows.
TUNED: Mapping[str, Mapping[str, Any]] = {
    "arm": {"steps": 10, "window": 5},
    "corrected": {"steps": 50, "window": 10, "reach": 10.0},
    "step": {"steps": 1500, "window": 1, "hidden": 64},
    "rate": {"steps": 1000, "window": 1, "hidden": 32},
}


@dataclass(frozen=True)
class Task:
    """The simulator, what was seen of it, and what is kept apart."""

    world: World
    seen: Trajectories  # windows, all their states free of the stop of the elbow
    held: Trajectories

    @classmethod
    def make(cls, options: Options, world: World | None = None) -> Task:
        """Raises WorldError where the simulator is missing."""
        world = WORLDS[options.world]() if world is None else world
        whole = random_episodes(world, [1000 * options.seed + i for i in range(options.episodes)])
        held = random_episodes(world, [HELD + i for i in range(10)])
        usable = free_of_limit(whole.states)
        if options.noise:
            deviation = options.noise * torch.tensor(SCALE, dtype=torch.float64)
            whole = whole.noisy(deviation, torch.Generator().manual_seed(options.seed))
        stride = options.window if options.model in PACKAGES else 1  # its starts are unknowns: no state is used twice
        return cls(
            world,
            whole.windows(options.window, stride, usable),
            held.windows(HELD_STEPS, 5, free_of_limit(held.states)),
        )


def make_network(options: Options, task: Task) -> nn.Module:
    if options.model in PACKAGES:
        arm = Arm(ReacherLearned(1, dtype=torch.float64, dt=STEP)) if options.model == "corrected" else Arm()
        return Shooting(arm, task.seen, torch.tensor(SCALE, dtype=torch.float64))
    states = task.seen.states
    speed, change = states[..., 2:].std((0, 1)).float(), states.diff(dim=1).std((0, 1)).float()
    kind = StepNetwork if options.model == "step" else RateNetwork
    return kind(options.hidden, speed, change, options.linear)


def predictor(network: nn.Module) -> nn.Module:
    """The model that predicts states: of the arm, without the starts of its windows."""
    model = network.model if isinstance(network, Shooting) else network
    assert isinstance(model, nn.Module)
    return model


def batch_of(seen: Trajectories, options: Options, step: int, rank: int) -> Trajectories:
    """The windows of one step: a function of (seed, step, rank) alone."""
    chosen = np.random.default_rng([options.seed, step, rank]).integers(len(seen), size=options.batch)
    return seen[torch.from_numpy(chosen).to(seen.states.device)]


def network_loss(model: nn.Module, seen: Trajectories, change: Tensor) -> Tensor:
    """The mean square of what the rollouts of windows miss, in units of the change of a step."""
    missed: Tensor = model(seen.start, seen.inputs) - seen.later
    return (missed / change).square().mean()


def optimiser_of(network: nn.Module, options: Options) -> torch.optim.Optimizer:
    if isinstance(network, Shooting):
        return LevenbergMarquardt(network, local=("starts",), reach=options.reach)
    return torch.optim.AdamW(network.parameters(), lr=options.lr, weight_decay=options.decay)


def train(
    fabric: Fabric, options: Options, task: Task, run: Run, display: Display, *, resume: bool = False,
    stop_after: int | None = None,
) -> nn.Module:  # fmt: skip
    """The training loop; returns the network. ``stop_after`` ends it early at that step, as an interruption would.

    Raises ResumeError when the checkpoint belongs to another spec.
    """
    torch.manual_seed(options.seed)
    network = make_network(options, task).to(fabric.device)
    optimizer = optimiser_of(network, options)
    model = network if isinstance(network, Shooting) else fabric.setup_module(network)
    package = PACKAGES.get(options.model, "reacher")  # a network has no spec: that of what it stands beside
    origin: dict[str, Any] = {"package": package, "spec": spec_hash(package), "options": asdict(options)}
    start = begin(run, display, origin["spec"], network, optimizer, resume=resume)
    done = start.step
    if done == 0:
        run.log("start", step=0, **origin, device=str(fabric.device), windows=len(task.seen),
                parameters=parameters(predictor(network)))  # fmt: skip
    seen = task.seen.to(fabric.device)
    began = time.process_time() - start.elapsed

    def keep() -> None:
        if run.writes:
            spent = time.process_time() - began
            save_checkpoint(run.folder, network, optimizer, {**origin, "step": done, "elapsed": spent})

    with interruption() as stopped:
        while done < options.steps and done != stop_after and not fabric.broadcast(stopped()):
            loss = _step(fabric, model, network, optimizer, seen, options, done)
            done += 1
            if isinstance(network, Shooting) or done % 20 == 0 or done == options.steps:
                run.log("train", step=done, loss=loss)
                display.update(done / options.steps, step=done, loss=loss)
            if done % options.every == 0:
                keep()
    keep()
    if fabric.broadcast(stopped()):
        raise KeyboardInterrupt
    run.log("trained", step=done, seconds=round(time.process_time() - began, 2))
    return network


def _step(
    fabric: Fabric, model: nn.Module, network: nn.Module, optimizer: torch.optim.Optimizer, seen: Trajectories,
    options: Options, done: int,
) -> float:  # fmt: skip
    """One step of the optimiser; the loss before it, of the arm the mean square afterwards."""
    if isinstance(optimizer, LevenbergMarquardt):
        return optimizer.step(seen) / seen.states.numel()
    rise = min(1.0, (done + 1) / max(1.0, WARM_UP * options.steps))
    for group in optimizer.param_groups:
        group["lr"] = options.lr * rise * (1 + math.cos(math.pi * done / options.steps)) / 2
    assert isinstance(network, Learned)
    loss = network_loss(model, batch_of(seen, options, done, fabric.global_rank), network.change)
    optimizer.zero_grad()
    fabric.backward(loss)
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()
    return float(loss.detach())


def identified(network: Shooting, task: Task) -> dict[str, dict[str, float | None]]:
    """Every number of the formula: what was found, its error (None: the data do not tell), that of the simulator."""
    optimiser = LevenbergMarquardt(network, local=("starts",))
    said = uncertainty(optimiser.curvature(task.seen))
    arm, truth = predictor(network), task.world.truth()
    assert isinstance(arm, Arm)
    owner = [name.rpartition("raw_")[2] for name, p in optimiser.shared.items() for _ in range(p.numel())]
    places = [i for i, name in enumerate(owner) if name in truth]  # weights of a correction mean nothing one by one
    names = [owner[i] for i in places]
    errors = physical_errors(arm.layer, names, said.errors[places])
    return {
        name: {"found": getattr(arm.layer, name).item(), "error": _finite(errors[name]), "truth": truth[name]}
        for name in names
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


@torch.no_grad()
def carried(model: nn.Module, held: Trajectories) -> dict[str, float]:
    """On held-out windows: the root mean square error of the angles after one step and at the end, and steps until
    they are lost."""
    missed = misses(model(held.start, held.inputs)[..., :2], held.later[..., :2], torch.ones(2, dtype=torch.float64))
    first, root = (missed[:, i].square().mean().sqrt() for i in (0, -1))
    return {
        "step_error": float(first),
        "angle_error": float(root),
        "steps_within": float(divergence_steps(missed, LOST).double().mean()),
    }


@torch.no_grad()
def force_missed(arm: Arm, task: Task) -> dict[str, float]:
    """Forces on an arm at rest at the angles of held-out windows, N m: root mean square, and that of what is missed."""
    angles = task.held.states[..., :2].flatten(0, 1)
    true = task.world.force(angles)
    missed = arm.force(angles) - true
    return {"force": float(true.square().mean().sqrt()), "force_error": float(missed.square().mean().sqrt())}


def examine(network: nn.Module, options: Options, task: Task, run: Run, display: Display) -> None:
    """Log the identified numbers, rollouts on held-out episodes, and success on unseen goals."""
    network = network.to("cpu")
    model, began = predictor(network), time.process_time()
    figures: dict[str, Any] = carried(model, task.held)
    if isinstance(network, Shooting):
        figures["numbers"] = identified(network, task)
        assert isinstance(model, Arm)
        figures |= force_missed(model, task)
    if options.goals:
        seeds = [UNSEEN + i for i in range(options.goals)]
        away = reach(model, task.world, seeds, Planner(population=options.plans), options.seed,
                     lambda share: display.update(share, goals=options.goals))  # fmt: skip
        success = float((away < SUCCESS).double().mean())
        figures |= {
            "goals": options.goals, "success": success, "median_mm": 1000 * float(away.median()),
            "standard_error": math.sqrt(success * (1 - success) / options.goals),
        }  # fmt: skip
    run.log("test", **figures, seconds=round(time.process_time() - began, 2))
