"""Where a training step of the image trainer spends its time and memory, field network and ResNet side by side.

Every model is measured in a fresh process: memory first, then the time of steps, then their parts under
``torch.profiler``, whose own cost falls on steps with many small operators; so the shares come from profiled steps and
the milliseconds from others.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.table import Table
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile, record_function

from trainers.cifar_networks import Stages, make_network
from trainers.cifar_options import Options
from trainers.cifar_studies import of_equal_size
from trainers.cifar_training import OPTIMISER, Task, batch_of, groups_of, update
from trainers.common import make_fabric
from trainers.memory import keep_freed_memory

DATA, STEP = "data", "step"
PARTS = ("kernels, forward", "kernels, backward", "mixing, convolutions", "batch norm", OPTIMISER, DATA, "rest")
WARM_UP, MEASURED = 3, 6  # steps


@dataclass(frozen=True)
class Profile:
    """One model: milliseconds of a step, plain and profiled; shares of PARTS in a step, which add up to one.

    memory  MiB that the steps needed beyond what was there before the network: device memory on CUDA, else the growth
            of the resident set
    """

    model: str
    parameters: int
    milliseconds: float
    profiled: float
    shares: dict[str, float]
    memory: float


def part_of(name: str) -> str | None:
    """The part that an operator belongs to with everything it calls; None where its callees decide."""
    if name.startswith("metrigen::"):
        return PARTS[1] if name.endswith("_adjoint") else PARTS[0]
    if name == "_Products" or name.startswith(("_ProductsBackward", "aten::conv2d", "ConvolutionBackward")):
        return "mixing, convolutions"
    if "BatchNormBackward" in name or name == "aten::batch_norm":
        return "batch norm"
    if name.startswith("Optimizer.") or name == OPTIMISER:
        return OPTIMISER
    return DATA if name == DATA else None


def shares_of(events: Sequence[Any], *, device: bool) -> dict[str, float]:
    """The shares of PARTS in what the profiler saw under STEP, from host times or from those of the device."""

    def spent(event: Any) -> float:
        return float(event.device_time_total if device else event.cpu_time_total)

    on_host = [event for event in events if event.device_type == DeviceType.CPU]
    whole = sum(event.cpu_time_total for event in on_host if event.name == STEP)
    found = dict.fromkeys(PARTS, 0.0)
    for event in _outermost(event for event in on_host if event.cpu_parent is None):
        found[str(part_of(event.name))] += spent(event) / whole
    found["rest"] = 1.0 - sum(found.values())
    return found


def _outermost(events: Iterable[Any]) -> Iterator[Any]:
    """The first event of every branch that belongs to a part. The engine's own frames around a node are looked into."""
    for event in events:
        if part_of(event.name) is not None:
            yield event
        else:
            yield from _outermost(event.cpu_children)


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

    def steps(first: int, count: int) -> float:
        """Seconds of ``count`` steps."""
        began = time.perf_counter()
        for step in range(first, first + count):
            with record_function(STEP):
                with record_function(DATA):
                    x, targets = batch_of(task, options, step, 0, 1)
                update(fabric, wrapped, optimizer, x, targets)
                if on_device:
                    torch.cuda.synchronize()
        return time.perf_counter() - began

    steps(0, WARM_UP)
    plain = steps(WARM_UP, MEASURED)
    peak = torch.cuda.max_memory_allocated() / 2**20 if on_device else _resident()[1]
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_device else [])]
    with profile(activities=activities) as seen:
        profiled = steps(WARM_UP + MEASURED, MEASURED)
    shares = shares_of(seen.events(), device=on_device)
    size = sum(p.numel() for p in network.parameters())
    return Profile(model, size, 1e3 * plain / MEASURED, 1e3 * profiled / MEASURED, shares, peak - before)


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
        ("step, profiled", [one.profiled for one in found]),
        ("peak memory, MiB", [one.memory for one in found]),
        ("parameters", [one.parameters for one in found]),
    ):
        table.add_row(name, *(cell for n in numbers for cell in ("", str(n) if isinstance(n, int) else f"{n:.1f}")))
    return table
