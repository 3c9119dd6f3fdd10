"""What the trainers share: a run folder with JSON lines, exact checkpoints, a progress display, the device."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parents[1]
CHECKPOINT = "checkpoint.safetensors"
METRICS = "metrics.jsonl"


class ResumeError(RuntimeError):
    """A checkpoint that cannot be continued: says what differs."""


def spec_hash(package: str) -> str:
    """sha256 of the spec that ``generated/<package>`` was built from, as its manifest records it."""
    manifest = json.loads((ROOT / "generated" / package / "manifest.json").read_text())
    return str(manifest["spec"]["sha256"])


def make_fabric(accelerator: str, devices: int, precision: str) -> Fabric:
    """A launched Fabric. Under torchrun the number of processes is torchrun's, whatever ``devices`` says.

    accelerator "auto" is CUDA where there is one, else the CPU: the fields need float64, which other devices lack.
    """
    if accelerator == "auto":
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    nodes = 1
    if "TORCHELASTIC_RUN_ID" in os.environ:
        devices = int(os.environ["LOCAL_WORLD_SIZE"])
        nodes = int(os.environ["WORLD_SIZE"]) // devices
    fabric = Fabric(accelerator=accelerator, devices=devices, num_nodes=nodes, precision=precision)
    fabric.launch()
    return fabric


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
            self._replace(METRICS, "".join(json.dumps(record) + "\n" for record in kept))

    def log(self, event: str, **figures: Any) -> None:
        """Append one JSON object to metrics.jsonl."""
        if self.writes:
            with (self.folder / METRICS).open("a") as file:
                file.write(json.dumps({"event": event, **figures}) + "\n")

    def records(self, event: str | None = None) -> list[dict[str, Any]]:
        """What was logged, of one kind or all."""
        path = self.folder / METRICS
        lines = path.read_text().splitlines() if path.exists() else []
        return [r for r in map(json.loads, lines) if event is None or r["event"] == event]

    def _replace(self, name: str, text: str) -> None:
        partial = self.folder / (name + ".partial")
        partial.write_text(text)
        partial.replace(self.folder / name)


def save_checkpoint(
    folder: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    meta: Mapping[str, Any],
    more: Mapping[str, Tensor] | None = None,
) -> None:
    """Write weights, optimizer state, ``meta`` and ``more`` as one safetensors file, whole or not at all."""
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"more.{name}": value for name, value in (more or {}).items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": torch.as_tensor(value) for name, value in state.items()}
    partial = folder / (CHECKPOINT + ".partial")
    packed = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    save_file(packed, partial, metadata={name: json.dumps(value) for name, value in meta.items()})
    partial.replace(folder / CHECKPOINT)


def read_meta(folder: Path) -> dict[str, Any]:
    """What ``save_checkpoint`` was given as ``meta``. Raises ResumeError where there is no checkpoint."""
    path = folder / CHECKPOINT
    if not path.exists():
        raise ResumeError(f"no {CHECKPOINT} in {folder}")
    with safe_open(path, "pt") as file:
        return {name: json.loads(value) for name, value in file.metadata().items()}


def load_checkpoint(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer | None = None) -> None:
    """Put weights and optimizer state back, bit for bit."""
    with safe_open(folder / CHECKPOINT, "pt") as file:
        tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    model.load_state_dict({n.removeprefix("model."): x for n, x in tensors.items() if n.startswith("model.")})
    if optimizer is not None:
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("optimizer."):
                _, index, key = name.split(".", 2)
                state.setdefault(int(index), {})[key] = value
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": state, "param_groups": groups})


def load_more(folder: Path) -> dict[str, Tensor]:
    """What ``save_checkpoint`` was given as ``more``."""
    with safe_open(folder / CHECKPOINT, "pt") as file:
        names = [name for name in file.keys() if name.startswith("more.")]  # noqa: SIM118
        return {name.removeprefix("more."): file.get_tensor(name) for name in names}


def check_spec(meta: Mapping[str, Any], spec: str, folder: Path) -> None:
    """Refuse weights that were trained on another physics."""
    if meta["spec"] != spec:
        raise ResumeError(
            f"{folder} was trained with the spec {meta['spec'][:16]}, generated/{meta['package']} is built from "
            f"{spec[:16]}: rebuild that spec, or start a new run"
        )


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
