"""One pass of one learner over one task: what determines it, its data, the loop, the test."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from trainers import sizes
from trainers.common import (
    Display,
    ResumeError,
    Run,
    begin,
    interruption,
    save_checkpoint,
    spec_hash,
)
from trainers.gln_learners import Backpropagated, Gated, Learner
from trainers.gln_network import GatedNetwork, Rates
from trainers.gln_tasks import BITS, Observations, digit_folds, half_spaces, hashes, text_bits
from trainers.lm_data import Corpus, DataError, load_corpus

PACKAGE = "gln"
TASKS = ("digits", "bits")
MODELS = ("gated", "mlp")


@dataclass(frozen=True)
class Options:
    """What determines the result of a run; kept in the checkpoint.

    task, model   of TASKS and MODELS                  seed    of gates, weights, and the order or place of the data
    fold          of the digits that are tested        data    a text file, see lm_data.py
    size          bytes of text to learn from          tested  bytes of the test split
    past          bytes before a bit that are known    chunk   observations between two records
    every         chunks between two checkpoints
    widths, planes, spread, regions, start, limit, first, later, power   of the gated network
    hidden, batch, lr                                                    of the perceptron
    """

    task: str = "digits"
    model: str = "gated"
    seed: int = 0
    fold: int = 0
    data: str | None = None
    size: int = 16_384
    tested: int = 8_192
    past: int = 4
    chunk: int = 300
    every: int = 2
    widths: tuple[int, ...] = (128, 1)
    planes: int = 2
    spread: float = 0.5
    regions: int = 16_384
    start: float = 0.02
    limit: float = 5.0
    first: float = 1.0
    later: float = 0.01
    power: float = 0.5
    hidden: tuple[int, ...] = (1024,)
    batch: int = 1
    lr: float = 3e-3

    @property
    def name(self) -> str:
        fold = f"-fold{self.fold}" if self.task == "digits" else ""
        return f"{self.task}-{self.model}-seed{self.seed}{fold}"


def as_options(stored: dict[str, Any]) -> Options:
    """Options as JSON keeps them: lists are tuples."""
    given: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in stored.items()}
    return Options(**given)


@dataclass(frozen=True)
class Task:
    """``length`` observations to learn from, ``part(first, last)`` of them, those of the test, and what they are."""

    length: int
    part: Callable[[int, int], Observations]
    test: Observations
    source: str

    @property
    def inputs(self) -> int:
        return self.test.z.shape[1]

    @property
    def teams(self) -> int:
        return len(self.test.target)


def load_task(options: Options) -> Task:
    """The data of a run. Raises DataError where they cannot be had."""
    if options.task == "digits":
        train, test = digit_folds(options.seed, options.fold)
        return Task(len(train), train.part, test, "8 x 8 digits of scikit-learn")
    corpus = load_corpus(options.data)
    text = _piece(corpus, options)

    def part(first: int, last: int) -> Observations:
        begin, over = divmod(first, BITS)
        end = -(-last // BITS)
        return text_bits(text[begin : end + options.past], options.past).part(over, over + last - first)

    test = text_bits(corpus.test[: options.tested + options.past], options.past)
    return Task(options.size * BITS, part, test, f"{corpus.name} {corpus.hash[:16]}")


def _piece(corpus: Corpus, options: Options) -> Tensor:
    """A stretch of the training text that begins where the seed says."""
    spare = len(corpus.train) - options.size - options.past
    if spare < 0:
        raise DataError(
            f"{corpus.name} has {len(corpus.train)} bytes to learn from, --size {options.size} needs "
            f"{options.size + options.past}: give a longer text, or fewer bytes"
        )
    begin = int(np.random.default_rng(options.seed).integers(spare + 1))
    return corpus.train[begin : begin + options.size + options.past]


def make_learner(fabric: Fabric, options: Options, task: Task) -> Learner:
    """A fresh one."""
    torch.manual_seed(options.seed)
    if options.model == "mlp":
        return Backpropagated(fabric, task.inputs, task.teams, options.hidden, options.lr, options.batch)
    if options.task == "digits":
        gates = half_spaces(options.widths, options.planes, task.test.side.shape[1], options.seed, options.spread)
    else:
        gates = hashes(options.widths, options.past, options.regions, options.seed)
    network = GatedNetwork(task.teams, task.inputs, gates, start=options.start, limit=options.limit)
    return Gated(fabric, network, Rates(options.first, options.later, options.power))


def figures(said: Tensor, target: Tensor) -> dict[str, float]:
    """Accuracy of classes by the largest log odds, or bits a byte of single bits."""
    if len(target) > 1:
        return {"accuracy": float((said.argmax(0) == target.argmax(0)).double().mean())}
    nats = binary_cross_entropy_with_logits(said.double(), target.double())
    return {"bits_per_byte": float(nats) * BITS / math.log(2)}


def parameters(learner: Learner) -> int:
    """Numbers that learning may change."""
    if isinstance(learner.network, GatedNetwork):
        return sum(layer.weights.numel() for layer in learner.network.gated())
    return sizes.parameters(learner.network)


def train(
    fabric: Fabric, options: Options, task: Task, run: Run, display: Display, *, resume: bool = False,
    stop_after: int | None = None,
) -> Learner:  # fmt: skip
    """One pass; returns who learned. ``stop_after`` ends it early after that chunk, as an interruption would.

    Raises ResumeError when the checkpoint belongs to another spec or other data.
    """
    learner = make_learner(fabric, options, task)
    origin: dict[str, Any] = {"package": PACKAGE, "spec": spec_hash(PACKAGE), "options": asdict(options),
                              "source": task.source}  # fmt: skip

    def check(meta: Mapping[str, Any]) -> None:
        if meta["source"] != task.source:
            raise ResumeError(f"{run.folder} learned from {meta['source']}, this is {task.source}: give the same "
                              "data, or start a new run")  # fmt: skip

    start = begin(run, display, origin["spec"], learner.network, learner.optimizer, resume=resume, check=check)
    done, kept = start.step, start.kept
    if done == 0:
        run.log("start", step=0, **origin, parameters=parameters(learner), device=str(fabric.device))
    began = time.monotonic() - start.elapsed
    worked = time.process_time() - (0.0 if kept is None else kept.meta["worked"])
    steps = -(-task.length // options.chunk)

    def keep() -> None:
        if run.writes:
            meta = {**origin, "step": done, "elapsed": time.monotonic() - began, "worked": time.process_time() - worked}
            save_checkpoint(run.folder, learner.network, learner.optimizer, meta)

    with interruption() as stopped:
        while done < steps and done != stop_after and not stopped():
            clock = time.monotonic()
            first, last = done * options.chunk, min(task.length, (done + 1) * options.chunk)
            part = task.part(first, last).to(fabric.device)
            found = figures(learner.learn(part, first, task.length), part.target)
            done += 1
            speed = round((last - first) / (time.monotonic() - clock))
            run.log("train", step=done, observations=last - first, **found, observations_per_second=speed)
            display.update(done / steps, step=done, **found, **{"observations/s": speed})
            if done % options.every == 0 or done == steps:
                keep()
    if stopped():
        keep()
        raise KeyboardInterrupt
    if done != steps:
        keep()
    run.log("trained", step=done, seconds=round(time.monotonic() - began, 1),
            worked=round(time.process_time() - worked, 1))  # fmt: skip
    return learner


def examine(learner: Learner, task: Task, run: Run) -> None:
    """Log the figures of the test observations, with the weights as they are after the pass."""
    device = next(iter(learner.network.state_dict().values())).device
    said = learner.forecast(task.test.to(device)).cpu()
    run.log("test", observations=len(task.test), **figures(said, task.test.target))
