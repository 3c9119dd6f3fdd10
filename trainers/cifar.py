"""Train an image classifier whose space and nonlinearity are emitted physics, beside a ResNet of the same size.

    python -m trainers.cifar                                 8 x 8 digits: no download, a few minutes
    python -m trainers.cifar --data uoft-cs/cifar10          a Hugging Face dataset, or a folder with parquet files
    python -m trainers.cifar --model resnet                  the baseline: same parameters, optimiser, data order
    python -m trainers.cifar --smoke                         seconds; the path through the program, not a result
    python -m trainers.cifar --resume runs/cifar/X           go on where X stopped, bit for bit
    torchrun --nproc-per-node 2 -m trainers.cifar            data parallel

Everything a run writes lies in runs/cifar/<name>/: metrics.jsonl, checkpoint.safetensors, learning.png, and for the
physics fields.png and energy.png.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from lightning_fabric import Fabric
from rich.console import Console
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from trainers import cifar_plots
from trainers.cifar_model import FieldNet
from trainers.cifar_networks import MODELS, VARIANTS, Stages, UnknownNetwork, make_network
from trainers.command_line import Accelerator, Devices, Name, Out, Resume, Smoke, make_console, run_folder, told
from trainers.common import (
    ROOT,
    Display,
    Run,
    check_spec,
    load_checkpoint,
    make_fabric,
    read_meta,
    save_checkpoint,
    spec_hash,
)
from trainers.images import DIGITS, Augmentation, DataError, Images, load_images
from trainers.memory import keep_freed_memory

WARM_UP = 0.05  # of the optimiser steps: the learning rate rises linearly, then follows half a cosine to zero
SMOOTHING = 0.1  # of the labels
SHOWN = 10  # steps between two lines of the log


@dataclass(frozen=True)
class Options:
    """What determines the result of a run; kept in the checkpoint.

    data        "digits", a folder with parquet files, or the name of a Hugging Face dataset
    model       "field", "resnet" or "convnext", each at the width that comes closest to ``parameters``
    variant     of the field network, see ``cifar_networks.VARIANTS``
    widths      ratio of the widths of the three stages, at resolutions n, n/2, n/4
    blocks      of every stage
    images      of the training set, from its start; all for None
    seconds     a time limit in the place of ``epochs``: the learning rate follows the clock
    steps       of the time integrator in every block
    """

    data: str = DIGITS
    model: str = "field"
    variant: str = "full"
    parameters: int = 200_000
    widths: Stages = (1, 2, 4)
    blocks: Stages = (2, 2, 2)
    steps: int = 2
    epochs: int = 20
    seconds: float | None = None
    images: int | None = None
    batch: int = 64
    lr: float = 3e-3
    decay: float = 0.05
    crop: int = 4
    flip: bool = True
    cutout: int = 0
    mixup: float = 0.0
    seed: int = 0

    @property
    def augmentation(self) -> Augmentation:
        return Augmentation(self.crop, self.flip, self.cutout, self.mixup)


SMOKE = {"parameters": 20_000, "blocks": (1, 1, 1), "epochs": 2, "images": 256, "batch": 32}


def stages_of(text: str, flag: str) -> Stages:
    """Three positive numbers separated by commas; one number stands for three equal ones."""
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 3) or min(numbers) < 1:
        raise typer.BadParameter(f"{text!r} is not one or three positive whole numbers", param_hint=flag)
    first, *others = numbers
    return (first, *others) if others else (first, first, first)


def stored_options(folder: Path) -> Options:
    """What the run in a folder was started with. Raises ResumeError where there is no checkpoint."""
    options: dict[str, Any] = read_meta(folder)["options"]
    stages = {key: tuple(options[key]) for key in ("widths", "blocks")}
    return Options(**(options | stages))


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


def train(
    fabric: Fabric, options: Options, task: Task, run: Run, display: Display, *, resume: bool = False,
    stop_after: int | None = None,
) -> nn.Module:  # fmt: skip
    """The training loop; returns the network. ``stop_after`` ends it early at that step, as an interruption would.

    Raises ResumeError when the checkpoint belongs to another spec.
    """
    torch.manual_seed(options.seed)
    network = make_network(options, task.train.pixels.shape[1], task.train.classes)
    adam = torch.optim.AdamW(groups_of(network, options.decay), lr=options.lr)
    model, optimizer = fabric.setup(network, adam)
    package = {"package": "cifar", "spec": spec_hash("cifar"), "options": asdict(options)}
    done, elapsed = 0, 0.0
    if resume:
        meta = read_meta(run.folder)
        check_spec(meta, package["spec"], run.folder)
        load_checkpoint(run.folder, network, adam)
        done, elapsed = meta["step"], meta["elapsed"]
    run.begin(done)
    world, per_epoch = fabric.world_size, steps_per_epoch(task, options, fabric.world_size)
    total = options.epochs * per_epoch
    if done == 0:
        shares = network.shares() if isinstance(network, FieldNet) else {}
        count = sum(p.numel() for p in network.parameters())
        run.log("start", step=0, **package, device=str(fabric.device), processes=world, parameters=count, **shares)
    began = time.monotonic() - elapsed

    def finished() -> float:
        return done / total if options.seconds is None else (time.monotonic() - began) / options.seconds

    def keep() -> None:
        if run.writes:
            spent = time.monotonic() - began
            save_checkpoint(run.folder, network, adam, {**package, "step": done, "elapsed": spent})

    try:
        # one clock decides for all processes
        while (fraction := fabric.broadcast(finished())) < 1 and done != stop_after:
            clock = time.monotonic()
            x, targets = batch_of(task, options, done, fabric.global_rank, world)
            rate = options.lr * min(1.0, (fraction + 1e-3) / WARM_UP) * (1 + math.cos(math.pi * fraction)) / 2
            for group in optimizer.param_groups:
                group["lr"] = rate
            loss = cross_entropy(model(x), targets, label_smoothing=SMOOTHING)
            optimizer.zero_grad()
            fabric.backward(loss)
            fabric.clip_gradients(model, optimizer, max_norm=1.0)
            optimizer.step()
            done += 1
            if done % SHOWN == 0 or done % per_epoch == 0:
                seen = float(loss.detach())
                speed = len(x) * world / (time.monotonic() - clock)
                run.log("train", step=done, loss=seen, lr=rate, images_per_second=round(speed, 1))
                display.update(min(1.0, finished()), epoch=done // per_epoch, loss=seen, **{"images/s": round(speed)})
            if done % per_epoch == 0:
                spent = time.monotonic() - began
                run.log("epoch", step=done, epoch=done // per_epoch, accuracy=accuracy(network, task),
                        seconds=round(spent, 1))  # fmt: skip
                began += time.monotonic() - began - spent  # the test is not training
                keep()
    except KeyboardInterrupt:
        keep()
        raise
    keep()
    run.log("trained", step=done, seconds=round(time.monotonic() - began, 1))
    return network


def examine(network: nn.Module, options: Options, task: Task, run: Run, console: Console) -> float:
    """Test accuracy, and the pictures."""
    right = accuracy(network, task)
    run.log("test", accuracy=right, images=len(task.test))
    cifar_plots.learning_curve({options.model: run.records("epoch")}, run.folder / "learning.png")
    names = ["learning.png"]
    if isinstance(network, FieldNet):
        network.eval()
        pixels = task.test.pixels[:6]
        if options.variant != "fields":
            cifar_plots.fields(network, task.normalised(pixels), pixels.cpu(), run.folder / "fields.png")
            sample = task.normalised(task.test.pixels[:200])
            cifar_plots.energy_along_depth(network, sample, run.folder / "energy.png")
            names += ["fields.png", "energy.png"]
    console.print(f"test accuracy {100 * right:.2f} % of {len(task.test)} images", highlight=False)
    for name in (*names, "metrics.jsonl"):
        path = run.folder / name
        shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
        console.print(f"wrote {shown}", soft_wrap=True, highlight=False)
    return right


def main(
    data: Annotated[str, typer.Option(help="digits, a folder with parquet files, or a Hugging Face name")] = DIGITS,
    model: Annotated[str, typer.Option(help=", ".join(MODELS))] = Options.model,
    variant: Annotated[str, typer.Option(help="of the field network: " + ", ".join(VARIANTS))] = Options.variant,
    parameters: Annotated[int, typer.Option(help="the width comes as close to this as it can")] = Options.parameters,
    widths: Annotated[str, typer.Option(help="ratio of the three stages, e.g. 1,2,4")] = "1,2,4",
    blocks: Annotated[str, typer.Option(help="of every stage, or of each of the three, e.g. 1,2,3")] = "2",
    steps: Annotated[int, typer.Option(help="of the time integrator in every block")] = Options.steps,
    epochs: Annotated[int, typer.Option(help="times through the training images")] = Options.epochs,
    seconds: Annotated[float | None, typer.Option(help="train that long in place of --epochs")] = None,
    images: Annotated[int | None, typer.Option(help="train on the first ones only")] = None,
    batch: Annotated[int, typer.Option(help="images a step and process")] = Options.batch,
    lr: Annotated[float, typer.Option(help="peak learning rate of AdamW")] = Options.lr,
    decay: Annotated[float, typer.Option(help="of the weights")] = Options.decay,
    crop: Annotated[int, typer.Option(help="pixels that an image may move")] = Options.crop,
    flip: Annotated[bool, typer.Option(help="mirror every other image")] = Options.flip,
    cutout: Annotated[int, typer.Option(help="side of the square that is cut out")] = Options.cutout,
    mixup: Annotated[float, typer.Option(help="alpha of the weights of two images")] = Options.mixup,
    seed: Annotated[int, typer.Option(help="of weights, order and augmentation")] = Options.seed,
    name: Name = None,
    out: Out = ROOT / "runs" / "cifar",
    resume: Resume = None,
    smoke: Smoke = False,
    accelerator: Accelerator = "auto",
    devices: Devices = 1,
    precision: Annotated[str, typer.Option(help="of the mixing; the fields are float32")] = "32-true",
) -> None:
    """Train an image classifier whose space and nonlinearity are emitted physics, or a baseline."""
    console = make_console()
    options = Options(data, model, variant, parameters, stages_of(widths, "--widths"), stages_of(blocks, "--blocks"),
                      steps, epochs, seconds, images, batch, lr, decay, crop, flip, cutout, mixup, seed)  # fmt: skip
    if data == DIGITS:
        # A digit is no digit any more when it is mirrored, and 8 pixels wide.
        options = replace(options, flip=False, crop=min(crop, 1))
    if smoke:
        options = replace(options, **SMOKE)
    folder = resume or run_folder(out, name, f"{options.model}-seed{options.seed}")
    with told(console, folder, DataError, UnknownNetwork):
        if resume is not None:
            options = stored_options(resume)
        keep_freed_memory()
        fabric = make_fabric(accelerator, devices, precision)
        main_process = fabric.global_rank == 0
        task = Task.load(options, fabric.device)
        run = Run(folder, writes=main_process)
        with Display(console, "train", shown=main_process) as display:
            network = train(fabric, options, task, run, display, resume=resume is not None)
        if main_process:
            examine(network, options, task, run, console)
        fabric.barrier()


if __name__ == "__main__":
    typer.run(main)
