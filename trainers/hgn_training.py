"""What determines a run of films, its data, the training loop, and what is measured when it has ended."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from trainers.common import (
    Display,
    Run,
    begin,
    interruption,
    save_checkpoint,
    spec_hash,
)
from trainers.hgn_model import VARIANTS, Film, Hamiltonian, Sizes, build
from trainers.hgn_systems import SYSTEMS, Orbit, frames_of
from trainers.sizes import parameters
from trainers.trajectories import divergence_steps, misses

WARM_UP = 50  # steps
LOGGED = 20  # steps between two lines of metrics.jsonl
WATCHED = 50  # films of a validation
VALIDATION, TEST = 1, 2  # streams of random numbers; 0 is that of the training
LONG = 10  # times the training horizon
LOST = 0.05  # root mean square error of a frame at which a film has left the system; black is off by about 0.1
PACES = {"backwards": -1.0, "faster": 2.0, "slower": 0.5}


@dataclass(frozen=True)
class Case:
    """One model to be trained: names in SYSTEMS and VARIANTS, and a seed."""

    system: str
    model: str
    seed: int

    @property
    def folder(self) -> Path:
        return Path(self.system) / f"{self.model}-{self.seed}"


@dataclass(frozen=True)
class Options:
    """What determines the result of a run; kept in the checkpoints.

    systems, models   names in SYSTEMS and VARIANTS      seeds   of weights and films
    films, frames     of the training data               test    films, each LONG times as long
    first             how many frames into its film what a step learns from may begin, at most
    steps, batch, lr  of Adam: steps, films a step and process, peak learning rate
    entropy           weight of the relative entropy of the encoder's Gaussian
    seen, glance, width, recurrent, planes   see hgn_model.Sizes
    every             steps between two validations and checkpoints
    """

    systems: tuple[str, ...] = tuple(SYSTEMS)
    models: tuple[str, ...] = tuple(VARIANTS)
    seeds: tuple[int, ...] = (0, 1, 2)
    films: int = 500
    frames: int = 20
    first: int = 0
    test: int = 200
    steps: int = 1500
    batch: int = 32
    lr: float = 1e-2
    entropy: float = 0.02
    seen: int = 5
    glance: int = 32
    width: int = 64
    recurrent: int = 32
    planes: int = 1
    every: int = 100

    @property
    def sizes(self) -> Sizes:
        return Sizes(self.seen, self.glance, self.width, self.recurrent, self.planes)

    def cases(self) -> Iterator[Case]:
        """System after system, all models of a seed together."""
        for system in self.systems:
            for seed in self.seeds:
                yield from (Case(system, model, seed) for model in self.models)


def orbit_of(case: Case, stream: int, count: int) -> Orbit:
    """So many orbits of the system of a case; those of the test are the same for every seed."""
    seed = 0 if stream == TEST else case.seed
    return SYSTEMS[case.system].orbits(count, np.random.default_rng([seed, stream]))


def films_of(case: Case, stream: int, count: int, frames: int) -> Tensor:
    """Films (count, frames, PIXELS) of a case."""
    return frames_of(SYSTEMS[case.system], orbit_of(case, stream, count), np.arange(frames))


def batch_of(options: Options, case: Case, step: int, rank: int) -> tuple[Tensor, Tensor]:
    """Numbers of films and normal numbers (N, P) of one step: of (seed, step, rank) alone."""
    rng = np.random.default_rng([case.seed, 3, step, rank])
    chosen = torch.from_numpy(rng.integers(options.films, size=options.batch))
    return chosen, torch.from_numpy(rng.normal(size=(options.batch, options.sizes.phase)).astype(np.float32))


def window_of(options: Options, case: Case, step: int, rank: int) -> slice:
    """The frames of all films of one step: of (seed, step, rank) alone. Later ones show the encoder more of a film."""
    begun = int(np.random.default_rng([case.seed, 4, step, rank]).integers(options.first + 1))
    return slice(begun, min(options.frames, begun + horizon(step, options)))


def rate(step: int, steps: int) -> float:
    """Warm-up, then half a cosine to zero, as a fraction of the peak."""
    return min(1.0, (step + 1) / WARM_UP) * (1 + math.cos(math.pi * step / steps)) / 2


def horizon(step: int, options: Options) -> int:
    """How many frames of a film are learned from: first those that the encoder is given, after half the steps all."""
    later = options.frames - options.seen
    return options.seen + round(later * min(1.0, 2 * step / options.steps))


def loss_of(model: Any, films: Tensor, noise: Tensor, options: Options) -> Tensor:
    """Cross-entropy of the pixels of a film, by their brightness, and the weighted relative entropy."""
    logits, entropy = model(films[:, : options.seen], noise, films.shape[1])
    missed = nn.functional.binary_cross_entropy_with_logits(logits, films, reduction="none").sum(-1).mean()
    loss: Tensor = missed + options.entropy * entropy.mean()
    return loss


@torch.no_grad()
def pixel_error(network: Film, films: Tensor, seen: int) -> float:
    """The mean square error of the frames that the encoder was not given."""
    shown = network.film(network.start(films[:, :seen]), films.shape[1])
    return float((shown - films)[:, seen:].square().mean())


def train(
    fabric: Fabric,
    options: Options,
    case: Case,
    run: Run,
    display: Display,
    *,
    resume: bool = False,
    stop_after: int | None = None,
) -> Film:
    """Train one model on one system; returns it. ``stop_after`` ends the loop early at that step, as an interruption
    would. Raises ResumeError when the checkpoint belongs to another spec."""
    torch.manual_seed(case.seed)
    network = build(case.model, options.sizes)
    model, adam = fabric.setup(network, torch.optim.Adam(network.parameters(), lr=options.lr))
    package = VARIANTS[case.model].package or "hgn"  # the baseline has no spec: that of what it stands beside
    origin: dict[str, Any] = {"package": package, "spec": spec_hash(package), "options": asdict(options),
                              **asdict(case)}  # fmt: skip
    start = begin(run, display, origin["spec"], network, adam.optimizer, resume=resume)
    done = start.step
    if done == 0:
        run.log("start", step=0, **origin, parameters=parameters(network), device=str(fabric.device))
    films = films_of(case, 0, options.films, options.frames).to(fabric.device)
    watched = films_of(case, VALIDATION, WATCHED, options.frames).to(fabric.device)
    began = time.process_time() - start.elapsed  # of the processor: other work on the machine is not counted

    def keep() -> None:
        if run.writes:
            spent = time.process_time() - began
            save_checkpoint(run.folder, network, adam.optimizer, {**origin, "step": done, "elapsed": spent})

    with interruption() as stopped:
        while done < options.steps and done != stop_after and not fabric.broadcast(stopped()):
            chosen, noise = (x.to(fabric.device) for x in batch_of(options, case, done, fabric.global_rank))
            shown = films[chosen, window_of(options, case, done, fabric.global_rank)]
            loss = _step(fabric, model, adam, shown, noise, options, done)
            done += 1
            if done % LOGGED == 0 or done == options.steps:
                run.log("train", step=done, loss=loss)
            display.update(done / options.steps, step=done, loss=loss)
            if done % options.every == 0 or done == options.steps:
                if run.writes:
                    run.log("validation", step=done, pixel_error=pixel_error(network, watched, options.seen))
                keep()
    if done != options.steps:
        keep()
    if fabric.broadcast(stopped()):
        raise KeyboardInterrupt
    run.log("trained", step=done, seconds=round(time.process_time() - began, 1))
    return network


def _step(fabric: Fabric, model: Any, adam: Any, films: Tensor, noise: Tensor, options: Options, done: int) -> float:
    """One step of the optimiser; the loss before it."""
    for group in adam.param_groups:
        group["lr"] = options.lr * rate(done, options.steps)
    loss = loss_of(model, films, noise, options)
    adam.zero_grad()
    fabric.backward(loss)
    fabric.clip_gradients(model, adam, max_norm=1.0)
    adam.step()
    return float(loss.detach())


def energy_drifts(energy: Tensor) -> Tensor:
    """The largest change of the learned energy on the way, (N,) of energies (N, T), in units of its standard deviation
    over the N starts: neither a constant nor a scale of the energy counts."""
    return (energy - energy[:, :1]).abs().amax(1) / energy[:, 0].std()


@torch.no_grad()
def examine(network: Film, options: Options, case: Case, run: Run) -> None:
    """Log the figures of a trained model on unseen films: pixel errors at the training horizon and at LONG times it,
    other paces, and the drift of the energy (medians over the films), where there are such."""
    network = network.to("cpu").eval()
    frames, seen, far = options.frames, options.seen, LONG * options.frames
    system, orbit = SYSTEMS[case.system], orbit_of(case, TEST, options.test)
    films = frames_of(system, orbit, np.arange(far))
    start = network.start(films[:, :seen])
    missed = misses(network.film(start, far), films, torch.tensor(1.0))
    still = films_of(case, 0, options.films, frames).mean((0, 1))
    figures: dict[str, float] = {
        "pixel_error": float(missed[:, seen:frames].square().mean()),
        "far_error": float(missed[:, far - frames :].square().mean()),
        "still_error": float((films[:, seen:frames] - still).square().mean()),
        "frames_within": float(divergence_steps(missed, LOST).double().mean()),
    }
    if isinstance(network.motion, Hamiltonian):
        for name, pace in PACES.items():
            if pace < 0 and not network.motion.layer.BACKWARD:
                continue  # the layer refuses a negative time step
            shown = network.film(start, frames, pace)
            truth = frames_of(system, orbit, pace * np.arange(frames))
            figures[name] = float((shown - truth)[:, seen:].square().mean())
        energy = network.motion.energy(start, far)
        figures["drift"] = float(energy_drifts(energy[:, :frames]).median())
        figures["far_drift"] = float(energy_drifts(energy).median())
    run.log("test", films=options.test, **figures)
