"""The data of an image run in memory, the training loop, and what is looked at when it has ended."""

from __future__ import annotations

import math
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from trainers import cifar_plots
from trainers.cifar_model import FieldNet
from trainers.cifar_networks import VARIANTS, make_network
from trainers.cifar_options import Options
from trainers.common import (
    Display,
    Run,
    begin,
    check_processes,
    interruption,
    save_checkpoint,
    spec_hash,
)
from trainers.images import Images, load_images
from trainers.sizes import parameters

WARM_UP = 0.05  # of the optimiser steps: the learning rate rises linearly, then follows half a cosine to zero
SMOOTHING = 0.1  # of the labels
SHOWN = 10  # steps between two lines of the log


@dataclass(frozen=True)
class Task:
    """The data of a run, in memory on its device."""

    train: Images
    test: Images
    mean: Tensor
    deviation: Tensor

    @classmethod
    def load(cls, options: Options, device: torch.device) -> Task:
        """Raises DataError where the source cannot be read."""
        train = load_images(options.data, "train").first(options.images)
        test = load_images(options.data, "test")
        mean, deviation = train.statistics()
        return cls(train.to(device), test.to(device), mean.to(device), deviation.to(device))

    def normalised(self, pixels: Tensor) -> Tensor:
        return (pixels.float() / 255 - self.mean) / self.deviation


def batch_of(task: Task, options: Options, step: int, rank: int, world: int) -> tuple[Tensor, Tensor]:
    """Images and class weights (B, classes) of one step: a function of (seed, step, rank) alone.

    Every epoch goes once through a new order; what does not fill a last batch is left out.
    """
    together = options.batch * world
    per_epoch = steps_per_epoch(task, options, world)
    order = torch.randperm(len(task.train), generator=_generator(options.seed, step // per_epoch))
    start = (step % per_epoch) * together + rank * options.batch
    chosen = order[start : start + options.batch].to(task.train.labels.device)
    x = options.augmentation(task.normalised(task.train.pixels[chosen]), _generator(options.seed, step, rank))
    targets = one_hot(task.train.labels[chosen], task.train.classes).to(x.dtype)
    return options.augmentation.mix(x, targets, [options.seed, step, rank])


def _generator(*numbers: int) -> torch.Generator:
    """A generator that is seeded by several numbers."""
    mixed = 0
    for number in numbers:
        mixed = (mixed * 1_000_003 + number + 1) % 2**63
    return torch.Generator().manual_seed(mixed)


def steps_per_epoch(task: Task, options: Options, world: int) -> int:
    return max(1, len(task.train) // (options.batch * world))


@torch.no_grad()
def accuracy(network: nn.Module, task: Task, batch: int = 250) -> float:
    """The share of the test images whose class is named, in evaluation mode."""
    network.eval()
    right = 0
    for start in range(0, len(task.test), batch):
        x = task.normalised(task.test.pixels[start : start + batch])
        right += int((network(x).argmax(1) == task.test.labels[start : start + batch]).sum())
    network.train()
    return right / len(task.test)


def groups_of(network: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Weights decay; norms, biases and the coefficients of the physics do not."""
    named = list(network.named_parameters())
    decaying = [p for name, p in named if p.dim() > 1 and ".physics." not in name]
    rest = [p for name, p in named if p.dim() <= 1 or ".physics." in name]
    return [{"params": decaying, "weight_decay": decay}, {"params": rest, "weight_decay": 0.0}]


def update(
    fabric: Fabric, model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, targets: Tensor,
    optimising: AbstractContextManager[None] | None = None,
) -> Tensor:  # fmt: skip
    """One step of the optimiser; returns the loss before it. ``optimising`` is around what moves the weights."""
    loss = cross_entropy(model(x), targets, label_smoothing=SMOOTHING)
    optimizer.zero_grad()
    fabric.backward(loss)
    with optimising or nullcontext():
        fabric.clip_gradients(model, optimizer, max_norm=1.0)
        optimizer.step()
    return loss.detach()


def train(
    fabric: Fabric, options: Options, task: Task, run: Run, display: Display, *, resume: bool = False,
    stop_after: int | None = None,
) -> nn.Module:  # fmt: skip
    """The training loop; returns the network. ``stop_after`` ends it early at that step, as an interruption would.

    Raises ResumeError when the checkpoint belongs to another spec or another number of processes.
    """
    torch.manual_seed(options.seed)
    network = make_network(options, task.train.pixels.shape[1], task.train.classes)
    adam = torch.optim.AdamW(groups_of(network, options.decay), lr=options.lr)
    model, optimizer = fabric.setup(network, adam)
    package = VARIANTS[options.variant].package
    origin: dict[str, Any] = {"package": package, "spec": spec_hash(package), "options": asdict(options),
              "processes": fabric.world_size}  # fmt: skip
    start = begin(run, display, origin["spec"], network, adam, resume=resume,
                  check=lambda meta: check_processes(meta, fabric, run.folder))  # fmt: skip
    done = start.step
    world, per_epoch = fabric.world_size, steps_per_epoch(task, options, fabric.world_size)
    total = options.epochs * per_epoch
    if done == 0:
        shares = network.shares() if isinstance(network, FieldNet) else {}
        run.log("start", step=0, **origin, device=str(fabric.device), parameters=parameters(network), **shares)
    began = time.monotonic() - start.elapsed

    def finished() -> float:
        return done / total if options.seconds is None else (time.monotonic() - began) / options.seconds

    def keep() -> None:
        if run.writes:
            spent = time.monotonic() - began
            save_checkpoint(run.folder, network, adam, {**origin, "step": done, "elapsed": spent})

    with interruption() as stopped:
        # one clock decides for all processes
        while (fraction := fabric.broadcast(finished())) < 1 and done != stop_after and not fabric.broadcast(stopped()):
            clock = time.monotonic()
            x, targets = batch_of(task, options, done, fabric.global_rank, world)
            rate = options.lr * min(1.0, (fraction + 1e-3) / WARM_UP) * (1 + math.cos(math.pi * fraction)) / 2
            for group in optimizer.param_groups:
                group["lr"] = rate
            loss = update(fabric, model, optimizer, x, targets)
            done += 1
            if done % SHOWN == 0 or done % per_epoch == 0:
                seen = float(loss)
                speed = len(x) * world / (time.monotonic() - clock)
                run.log("train", step=done, loss=seen, lr=rate, images_per_second=round(speed, 1))
                display.update(min(1.0, finished()), epoch=done // per_epoch, loss=seen, **{"images/s": round(speed)})
            if done % per_epoch == 0:
                spent = time.monotonic() - began
                run.log("epoch", step=done, epoch=done // per_epoch, accuracy=accuracy(network, task),
                        seconds=round(spent, 3))  # fmt: skip
                began = time.monotonic() - spent  # the test is not training
                keep()
    if fabric.broadcast(stopped()):
        keep()
        raise KeyboardInterrupt
    keep()
    run.log("trained", step=done, epochs=done / per_epoch, seconds=round(time.monotonic() - began, 3))
    return network


def examine(network: nn.Module, options: Options, task: Task, run: Run) -> list[Path]:
    """Draw the pictures, log the test accuracy; returns what was written."""
    written = [run.folder / "learning.png"]
    cifar_plots.learning_curves({options.model: [run.records("epoch")]}, written[0])
    if isinstance(network, FieldNet):
        network.eval()
        pixels = task.test.pixels[:6]
        written += [run.folder / "fields.png", run.folder / "energy.png"]
        cifar_plots.fields(network, task.normalised(pixels), pixels.cpu(), written[1])
        cifar_plots.energy_along_depth(network, task.normalised(task.test.pixels[:200]), written[2])
    epochs, done = run.records("epoch"), run.records("trained")[-1]["step"]
    whole = bool(epochs) and epochs[-1]["step"] == done  # the test after the last epoch is that of the weights
    run.log("test", accuracy=epochs[-1]["accuracy"] if whole else accuracy(network, task), images=len(task.test))
    return written
