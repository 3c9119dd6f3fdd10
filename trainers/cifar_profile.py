"""Where a training step of the image trainer spends its time and memory, field network and ResNet side by side.

Every model is measured in a fresh process. A clock is read where a layer begins and ends, in the forward pass by hooks
of modules and in the backward pass by hooks of the nodes of the autograd graph: a few hundred readings a step. A
profiler that records every operator has a cost of its own, which falls on parts of many small operators.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.table import Table
from torch import Tensor, nn
from torch.autograd.graph import Node

from trainers.cifar_model import FieldBlock
from trainers.cifar_networks import Stages, make_network
from trainers.cifar_options import Options
from trainers.cifar_studies import of_equal_size
from trainers.cifar_training import Task, batch_of, groups_of, update
from trainers.common import make_fabric
from trainers.memory import keep_freed_memory
from trainers.mixing import Mixing
from trainers.sizes import parameters

FORWARD, BACKWARD, MIXING, NORM = "kernels, forward", "kernels, backward", "mixing, convolutions", "batch norm"
OPTIMISER, DATA, REST = "optimiser", "data", "rest"
PARTS = (FORWARD, BACKWARD, MIXING, NORM, OPTIMISER, DATA, REST)
WARM_UP, MEASURED = 3, 6  # steps


@dataclass(frozen=True)
class Profile:
    """One model: milliseconds of a step, and the shares of PARTS in it, which add up to one.

    memory  MiB that the steps needed beyond what was there before the network: device memory on CUDA, else the growth
            of the resident set
    """

    model: str
    parameters: int
    milliseconds: float
    shares: dict[str, float]
    memory: float


class Clock:
    """Seconds by part. ``synchronise`` waits for a device before a reading; parts do not lie within one another."""

    def __init__(self, synchronise: Callable[[], None] = lambda: None) -> None:
        self.synchronise = synchronise
        self.spent = dict.fromkeys((*PARTS, "clock"), 0.0)
        self.began = 0.0

    def begin(self) -> None:
        self.synchronise()
        self.began = time.perf_counter()

    def end(self, part: str) -> None:
        self.synchronise()
        self.spent[part] += time.perf_counter() - self.began

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        self.begin()
        yield
        self.end(name)


def part_of_node(name: str) -> str | None:
    """The part that a node of the autograd graph belongs to, by its name."""
    if "metrigen" in name:
        return BACKWARD
    if "_Products" in name or "Convolution" in name:
        return MIXING
    return NORM if "BatchNorm" in name else None


def watch(network: nn.Module, clock: Clock) -> None:
    """Read the clock around the layers of a network, forward and backward. There is no way back."""
    for module in network.modules():
        part = (
            MIXING if isinstance(module, Mixing | nn.Conv2d) else NORM if isinstance(module, nn.BatchNorm2d) else None
        )
        if part is not None:
            module.register_forward_pre_hook(lambda *_: clock.begin())
            module.register_forward_hook(lambda *_, part=part: clock.end(part))
        if isinstance(module, FieldBlock):
            # Not called as a module, so that its hooks would not see it.
            physics: Any = module.physics
            physics.forward = _timed(physics.forward, clock)
            if hasattr(physics, "forward_readout"):
                physics.forward_readout = _timed(physics.forward_readout, clock)
    network.register_forward_hook(lambda module, given, result: _watch_graph(result, clock))


def _timed(function: Callable[..., Any], clock: Clock) -> Callable[..., Any]:
    def call(*given: Tensor) -> Any:
        with clock.part(FORWARD):
            return function(*given)

    return call


def _watch_graph(result: Tensor, clock: Clock) -> None:
    """Read the clock around the nodes behind a result; what this takes itself is the clock's own."""
    began = time.perf_counter()
    ahead: list[Node | None] = [result.grad_fn]
    seen: set[Node] = set()
    while ahead:
        node = ahead.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        ahead += [before for before, _ in node.next_functions]
        part = part_of_node(node.name())
        if part is not None:
            node.register_prehook(lambda *_: clock.begin())
            node.register_hook(lambda *_, part=part: clock.end(part))
    clock.spent["clock"] += time.perf_counter() - began


def shares_of(spent: dict[str, float], whole: float) -> dict[str, float]:
    """The shares of PARTS in ``whole`` seconds without the clock's own."""
    step = whole - spent["clock"]
    shares = {part: spent[part] / step for part in PARTS}
    return {**shares, REST: 1.0 - sum(shares.values())}


def _resident() -> tuple[float, float]:
    """Resident set of this process and its peak, MiB."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    now, peak = (float(lines[key].split()[0]) / 1024 for key in ("VmRSS", "VmHWM"))
    return now, peak


def _forget_peak() -> None:
    """Let the peak of the resident set begin at its present size, where the system can."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def measure(base: Options, model: str, blocks: Stages, accelerator: str, precision: str) -> Profile:
    """Steps of one model in this process, which should be a fresh one."""
    keep_freed_memory()
    fabric = make_fabric(accelerator, 1, precision)
    task = Task.load(base, fabric.device)
    inputs, classes = task.train.pixels.shape[1], task.train.classes
    options = of_equal_size(base, model, blocks, inputs, classes)
    on_device = fabric.device.type == "cuda"
    _forget_peak()
    before = torch.cuda.memory_allocated() / 2**20 if on_device else _resident()[0]
    torch.manual_seed(options.seed)
    network = make_network(options, inputs, classes)
    wrapped, optimizer = fabric.setup(network, torch.optim.AdamW(groups_of(network, options.decay), lr=options.lr))

    clock = Clock(torch.cuda.synchronize if on_device else lambda: None)
    for step in range(WARM_UP + MEASURED):
        if step == WARM_UP:
            clock.spent = dict.fromkeys(clock.spent, 0.0)
            watch(network, clock)
            clock.synchronise()
            began = time.perf_counter()
        with clock.part(DATA):
            x, targets = batch_of(task, options, step, 0, 1)
        update(fabric, wrapped, optimizer, x, targets, clock.part(OPTIMISER))
    clock.synchronise()
    whole = time.perf_counter() - began
    peak = torch.cuda.max_memory_allocated() / 2**20 if on_device else _resident()[1]
    milliseconds = 1e3 * (whole - clock.spent["clock"]) / MEASURED
    return Profile(model, parameters(network), milliseconds, shares_of(clock.spent, whole), peak - before)


def side_by_side(
    base: Options, blocks: Stages, accelerator: str, precision: str, models: Sequence[str] = ("field", "resnet")
) -> list[Profile]:
    """Models of as many parameters as the field network, each in a process of its own."""
    found = []
    for model in models:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
            found.append(fresh.submit(measure, base, model, blocks, accelerator, precision).result())
    return found


def profile_table(found: Sequence[Profile], batch: int) -> Table:
    """A line a part: share and milliseconds of a step of every model; then sizes."""
    table = Table(title=f"a training step of {batch} images", title_justify="left", box=None, padding=(0, 1, 0, 0))
    table.add_column("part", no_wrap=True)
    for one in found:
        table.add_column(f"{one.model}, %", justify="right", no_wrap=True)
        table.add_column("ms", justify="right", no_wrap=True)
    for part in PARTS:
        cells = ((f"{100 * one.shares[part]:.1f}", f"{one.shares[part] * one.milliseconds:.1f}") for one in found)
        table.add_row(part, *(cell for pair in cells for cell in pair))
    for name, numbers in (
        ("step", [one.milliseconds for one in found]),
        ("peak memory, MiB", [one.memory for one in found]),
        ("parameters", [one.parameters for one in found]),
    ):
        table.add_row(name, *(cell for n in numbers for cell in ("", str(n) if isinstance(n, int) else f"{n:.1f}")))
    return table
