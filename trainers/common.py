"""What the trainers share: a run folder with JSON lines, exact checkpoints, a progress display, the device."""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from torch import Tensor, nn

from trainers.durable import DamagedFile, checked, read_sealed, sealed, sync, write_beside, write_durably

if TYPE_CHECKING:
    from lightning_fabric import Fabric

ROOT = Path(__file__).resolve().parents[1]
CHECKPOINT = "checkpoint.safetensors"
EARLIER = "checkpoint.earlier.safetensors"  # the one before
METRICS = "metrics.jsonl"


class ResumeError(RuntimeError):
    """A checkpoint that cannot be continued: says what differs."""


def spec_hash(*packages: str) -> str:
    """sha256 of the spec that ``generated/<package>`` was built from, from its manifest; of several, of all."""
    manifests = [json.loads((ROOT / "generated" / package / "manifest.json").read_text()) for package in packages]
    hashes = [str(manifest["spec"]["sha256"]) for manifest in manifests]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()


def make_fabric(accelerator: str, devices: int, precision: Any) -> Fabric:
    """A launched Fabric. Under torchrun the number of processes is torchrun's, whatever ``devices`` says.

    accelerator "auto" is CUDA where there is one, else the CPU: the fields need float64, which other devices lack.
    """
    if accelerator == "auto":
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    nodes = 1
    if "TORCHELASTIC_RUN_ID" in os.environ:
        devices = int(os.environ["LOCAL_WORLD_SIZE"])
        nodes = int(os.environ["WORLD_SIZE"]) // devices
    from lightning_fabric import Fabric  # what trains needs it: to answer with shipped weights, torch is enough

    fabric = Fabric(accelerator=accelerator, devices=devices, num_nodes=nodes, precision=precision)
    fabric.launch()
    if fabric.world_size > 1:
        atexit.register(_leave)
    return fabric


def _leave() -> None:
    """Leave the group of processes. The threads of one that is still open when Python ends may abort the process."""
    if torch.distributed.is_initialized():
        # A thread of gloo that still holds the last message takes Python's lock to drop it, and a group that is
        # destroyed joins that thread with the lock in hand. No barrier: a process that failed must not wait for others.
        time.sleep(0.1)
        torch.distributed.destroy_process_group()


def gather(fabric: Fabric, tensor: Tensor) -> Tensor:
    """The tensors of all processes, stacked along a new first axis."""
    if fabric.world_size == 1:
        return tensor[None]
    found = [torch.empty_like(tensor) for _ in range(fabric.world_size)]
    torch.distributed.all_gather(found, tensor.contiguous())
    return torch.stack(found)


class Run:
    """The folder of one run: ``metrics.jsonl``, ``checkpoint.safetensors``, pictures. Only ``writes=True`` writes."""

    def __init__(self, folder: Path, *, writes: bool = True) -> None:
        self.folder, self.writes = folder, writes
        if writes:
            folder.mkdir(parents=True, exist_ok=True)

    def begin(self, step: int) -> None:
        """Drop what was logged after ``step``: a resumed run logs it again, a new run begins with an empty file."""
        if self.writes:
            kept = [record for record in self.records() if step > 0 and record.get("step", step + 1) <= step]
            write_durably(self.folder / METRICS, "".join(json.dumps(record) + "\n" for record in kept).encode())

    def log(self, event: str, **figures: Any) -> None:
        """Append one JSON object to metrics.jsonl."""
        if self.writes:
            with (self.folder / METRICS).open("a") as file:
                file.write(json.dumps({"event": event, **figures}) + "\n")

    def records(self, event: str | None = None) -> list[dict[str, Any]]:
        """What was logged, of one kind or all. A last line that a crash cut off is no record.

        Raises ResumeError for any other line that cannot be read.
        """
        path = self.folder / METRICS
        lines = path.read_text(errors="replace").split("\n") if path.exists() else []
        records = []
        for number, line in enumerate(lines, 1):
            if not line:
                continue
            try:
                records.append(json.loads(line))
            except json.JSONDecodeError as error:
                if not any(lines[number:]):
                    break
                told = f"{path}, line {number} is no JSON ({error}): take that line out, or start a new run"
                raise ResumeError(told) from error
        return [record for record in records if event is None or record["event"] == event]


def save_checkpoint(
    folder: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer | None,
    meta: Mapping[str, Any],
    more: Mapping[str, Tensor] | None = None,
) -> None:
    """Write weights, state of an optimizer, ``meta`` and ``more`` as one file with a hash; the one before is kept.

    Killed at any point, even by a power cut, this leaves at least one whole checkpoint where there was one. A damaged
    one never takes the place of a whole one.
    """
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"more.{name}": value for name, value in (more or {}).items()}
    states = {} if optimizer is None else optimizer.state_dict()["state"]
    for index, state in states.items():
        tensors |= {f"optimizer.{index}.{name}": torch.as_tensor(value) for name, value in state.items()}
    path = folder / CHECKPOINT
    if (folder / METRICS).exists():
        sync(folder / METRICS)  # what was logged before this step is not logged again
    partial = write_beside(path, sealed(tensors, meta))
    if _is_whole(path):
        path.replace(folder / EARLIER)
    partial.replace(path)
    sync(folder)


def _is_whole(path: Path) -> bool:
    try:
        checked(path)
    except DamagedFile:
        return False
    return True


@dataclass(frozen=True)
class Checkpoint:
    """What ``save_checkpoint`` was given, read and checked once; ``note`` says so where it is not the newest."""

    tensors: Mapping[str, Tensor]
    meta: Mapping[str, Any]
    note: str | None = None

    @property
    def more(self) -> dict[str, Tensor]:
        return self._of("more.")

    def restore(self, model: nn.Module, optimizer: torch.optim.Optimizer | None) -> None:
        """Put weights and optimizer state back, bit for bit."""
        model.load_state_dict(self._of("model."))
        if optimizer is None:
            return
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in self._of("optimizer.").items():
            index, key = name.split(".", 1)
            state.setdefault(int(index), {})[key] = value
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": state, "param_groups": groups})

    def _of(self, prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): x for name, x in self.tensors.items() if name.startswith(prefix)}


def has_checkpoint(folder: Path) -> bool:
    """Whether there is something to go on with; between two renames that is the one before alone."""
    return (folder / CHECKPOINT).exists() or (folder / EARLIER).exists()


def load_checkpoint(folder: Path) -> Checkpoint:
    """The newest checkpoint that is whole. Raises ResumeError where there is none."""
    if not has_checkpoint(folder):
        raise ResumeError(f"no {CHECKPOINT} in {folder}")
    faults = []
    for name in (CHECKPOINT, EARLIER):
        try:
            tensors, meta = read_sealed(folder / name)
        except DamagedFile as error:
            faults.append(f"{name}: {error}")
            continue
        note = f"{'; '.join(faults)}. Goes on from {name}, step {meta['step']}" if faults else None
        return Checkpoint(tensors, meta, note)
    raise ResumeError(f"no checkpoint in {folder} is whole: {'; '.join(faults)}. Start a new run")


def tell_fallback(kept: Checkpoint | None, run: Run, display: Display) -> None:
    """Say and log it where a run goes on from a checkpoint that is not the newest."""
    if kept is not None and kept.note is not None:
        display.say(kept.note)
        run.log("fallback", step=kept.meta["step"], note=kept.note)


def read_meta(folder: Path) -> Mapping[str, Any]:
    """The ``meta`` of ``load_checkpoint``. Raises ResumeError where there is none."""
    return load_checkpoint(folder).meta


@dataclass(frozen=True)
class Start:
    """Where a training begins: at step 0, or where its checkpoint ``kept`` was written, after ``elapsed`` seconds."""

    kept: Checkpoint | None = None
    step: int = 0
    elapsed: float = 0.0


def begin(
    run: Run, display: Display, spec: str, network: nn.Module, optimizer: torch.optim.Optimizer | None, *,
    resume: bool, check: Callable[[Mapping[str, Any]], None] = lambda meta: None,
) -> Start:  # fmt: skip
    """A new run, or one that goes on: weights and optimizer are those of its checkpoint, bit for bit.

    Raises ResumeError where there is no checkpoint, or it belongs to another spec; ``check`` refuses, by its ``meta``,
    what else does not fit.
    """
    if not resume:
        run.begin(0)
        return Start()
    kept = load_checkpoint(run.folder)
    check_spec(kept.meta, spec, run.folder)
    check(kept.meta)
    kept.restore(network, optimizer)
    start = Start(kept, kept.meta["step"], kept.meta["elapsed"])
    run.begin(start.step)
    tell_fallback(kept, run, display)
    return start


def check_processes(meta: Mapping[str, Any], fabric: Fabric, folder: Path) -> None:
    """Raises ResumeError where a run was trained by another number of processes."""
    if meta["processes"] != fabric.world_size:
        raise ResumeError(f"{folder} was trained by {meta['processes']} processes, not {fabric.world_size}")


def check_spec(meta: Mapping[str, Any], spec: str, folder: Path) -> None:
    """Refuse weights that were trained on another physics. Before, the hash of a spec was that of its bytes."""
    file = ROOT / "specs" / f"{meta['package']}.py"
    before = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else spec
    if meta["spec"] not in (spec, before):
        raise ResumeError(
            f"{folder} was trained with the spec {meta['spec'][:16]}, generated/{meta['package']} is built from "
            f"{spec[:16]}: rebuild that spec, or start a new run"
        )


@contextmanager
def interruption() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed inside, for a loop that ends between two steps; pressed again, it ends at once.

    What is kept is then the state after a whole step: an interrupted run goes on bit for bit as well.
    """
    asked = threading.Event()

    def ask(number: int, frame: Any) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set  # only the main thread is interrupted
        return
    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)


class Display:
    """Loss, metric, samples/s and time left: a bar on a terminal, else a line every ``every`` seconds."""

    def __init__(self, console: Console, title: str, *, shown: bool = True, every: float = 10.0) -> None:
        self.console, self.title, self.shown, self.every = console, title, shown, every
        self.live = shown and console.is_terminal
        self.bar = Progress(
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[text]}"), TimeElapsedColumn(),
            console=console, disable=not self.live,
        )  # fmt: skip
        self.task = self.bar.add_task(title, total=1.0, text="")
        self.began = self.printed = time.monotonic()
        self.first: float | None = None

    def __enter__(self) -> Display:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def say(self, text: str) -> None:
        """A line of its own."""
        if self.shown:
            self.console.print(text, soft_wrap=True, highlight=False)

    def update(self, done: float, **figures: float | int | str) -> None:
        """``done`` is the fraction of the work, ``figures`` what to show."""
        now = time.monotonic()
        if self.first is None:
            self.first = done
        gained = done - self.first
        left = (now - self.began) * (1 - done) / gained if gained > 0 else float("nan")
        text = "  ".join(f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
                         for name, value in figures.items())  # fmt: skip
        text += f"  {left:.0f} s left" if left == left else ""
        self.bar.update(self.task, completed=done, text=text)
        if self.shown and not self.live and (now - self.printed >= self.every or done >= 1):
            self.printed = now
            self.console.print(f"{self.title} {done:4.0%}  {text}", soft_wrap=True, highlight=False)
