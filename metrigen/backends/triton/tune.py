"""``metrigen tune``: measure how many warps a program of each fused kernel should have on this machine's GPU.

What is measured goes to a JSON file in a per-user folder that ``kernels.py`` of the package reads. Without such a file
(and wherever torch is asked for deterministic algorithms) the checked-in settings and the rule of the kernels hold.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from metrigen.errors import SpecError

FORMAT = 2  # 1 had keys without what the kernels are
WARPS = (1, 2, 4, 8, 16, 32)  # that a program may have
GAIN = 0.03  # a setting replaces the rule only where it is faster by this part

Timer = Callable[[Callable[[], object]], float]


def choose(times: Mapping[int, float], default: int) -> int:
    """The number of warps to keep: the fastest, or ``default`` where nothing is clearly faster than it.

    times    candidate -> seconds; candidates that could not run are left out
    default  what the kernels take without a setting
    """
    if not times:
        return default
    best = min(times, key=lambda warps: (times[warps], warps))
    if default in times and times[best] > (1 - GAIN) * times[default]:
        return default
    return best


def read_settings(file: Path) -> dict[str, int]:
    """The settings of a file, none where it is missing or of another format."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    known = isinstance(content, dict) and content.get("format") == FORMAT and isinstance(content.get("warps"), dict)
    return {str(key): int(n) for key, n in content["warps"].items() if n in WARPS} if known else {}


def write_settings(file: Path, settings: Mapping[str, int]) -> None:
    """Write atomically: a reader sees the old file or the new one, whole."""
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"format": FORMAT, "warps": dict(sorted(settings.items()))}, indent=2) + "\n"
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=file.name, suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.replace(temporary, file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def measure(
    runs: Mapping[str, Callable[[int], object]],
    defaults: Mapping[str, int],
    candidates: Mapping[str, Sequence[int]],
    timer: Timer,
) -> dict[str, dict[int, float]]:
    """Seconds of every candidate of every run; a candidate that the device refuses is left out.

    runs        key of a setting -> a function that runs its kernel with a number of warps
    defaults    the same keys -> the warps that the kernels would take
    candidates  the same keys -> the warps to try beside these
    """
    found: dict[str, dict[int, float]] = {}
    for key, run in runs.items():
        found[key] = {}
        for warps in sorted({*candidates[key], defaults[key]}):
            try:
                found[key][warps] = timer(lambda run=run, warps=warps: run(warps))  # type: ignore[misc]
            except Exception as error:  # too many registers or threads for this device
                if not _refused(error):
                    raise
    return found


def _refused(error: Exception) -> bool:
    return type(error).__name__ in ("OutOfResources", "CompilationError", "PTXASError")


def tune(
    package: str | Path,
    *,
    channels: int = 64,
    size: Sequence[int] = (32, 32),
    batch: int = 32,
    dtype: str = "float32",
    timer: Timer | None = None,
    report: Callable[[str], None] = print,
) -> Path:
    """Measure the fused kernels of an emitted package on this machine's GPU and store what is faster than the rule.

    package   folder or importable name of an emitted package
    channels, size, batch, dtype   the shape of a field (batch, channels, *size) that the settings are for

    Returns the file that was written. SpecError where there is no GPU, no Triton or nothing to tune.
    """
    torch, kernels, module = _loaded(str(package))
    layer = _layer(module, channels)
    dtype_ = getattr(torch, dtype)
    launches = _launches(torch, kernels, layer.to("cuda", dtype_), batch, channels, tuple(size), dtype_)
    if not launches:
        raise SpecError(
            f"{package} has no kernel to tune at {batch} x {channels} x {tuple(size)}", part="tune",
            why="planes of this size do not fit on chip, so its kernels take one launch for each part of a step",
            fix="choose a smaller size=", see="tune",
        )  # fmt: skip
    defaults = {key: settings["default"] for key, settings in launches.items()}
    runs = {key: settings["run"] for key, settings in launches.items()}
    candidates = {key: settings["candidates"] for key, settings in launches.items()}
    times = measure(runs, defaults, candidates, timer or _device_timer(torch))
    chosen = {key: choose(seconds, defaults[key]) for key, seconds in times.items()}
    for key, warps in chosen.items():
        known = times[key].get(defaults[key])
        gain = f"{known / times[key][warps]:.2f}x" if known and warps in times[key] else "not measured"
        report(f"{key}: {warps} warps ({gain} against {defaults[key]})")
    file = kernels.settings_file()
    settings = {**read_settings(file), **{key: n for key, n in chosen.items() if n != defaults[key]}}
    for key in chosen:
        if chosen[key] == defaults[key]:
            settings.pop(key, None)
    write_settings(file, settings)
    kernels.forget_settings()
    return Path(file)


def _loaded(package: str) -> tuple[Any, ModuleType, ModuleType]:
    """torch, the kernels of the package and the package; SpecError where there is nothing to measure on."""
    try:
        import torch
    except ImportError as error:
        raise SpecError("tune needs torch", part="tune", fix="pip install metrigen[torch]", see="tune") from error
    if not torch.cuda.is_available():
        raise SpecError(
            "tune needs a GPU, and torch sees none on this machine",
            part="tune",
            why="settings are measured, never guessed",
            fix="run it on the machine that the layer will run on; without it the kernels keep to their rule",
            see="tune",
        )
    module = importlib.import_module(package.strip("/").replace("/", "."))
    try:
        kernels = importlib.import_module(f"{module.__name__}.kernels")
    except ImportError as error:
        raise SpecError("tune needs Triton", part="tune", fix="pip install triton", see="tune") from error
    if not hasattr(kernels, "settings_file"):
        raise SpecError(f"{package} has no fused kernels to tune", part="tune", fix="build it again", see="tune")
    return torch, kernels, module


def _layer(module: ModuleType, channels: int) -> Any:
    name = next(n for n in module.__all__ if not n.endswith("State"))
    return getattr(module, name)(channels, backend="triton")


def _launches(
    torch: Any, kernels: ModuleType, layer: Any, batch: int, channels: int, size: tuple[int, ...], dtype: Any
) -> dict[str, dict[str, Any]]:
    """Every launch of a fused kernel in one forward and backward, ready to be run again with other warps."""
    found: dict[str, dict[str, Any]] = {}
    launch = kernels._launch_planes

    def record(kernel: Any, like: Any, group: int, count: int, *args: Any, **options: Any) -> None:
        key, default = kernels.setting(kernel, like, group)
        found[key] = {
            "default": default,
            "candidates": kernels.candidates(like),
            "run": lambda warps: launch(kernel, like, group, count, *args, **options, num_warps=warps),
        }
        launch(kernel, like, group, count, *args, **options)

    with _replaced(kernels, "_launch_planes", record):
        signature = inspect.signature(layer.forward).parameters.values()
        given = {
            p.name: (torch.rand((batch, channels, *size), device="cuda", dtype=dtype) + 0.5).requires_grad_()
            for p in signature
            if p.default is inspect.Parameter.empty or p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
        }
        state = layer(**given)
        total = sum(x.float().sum() for x in state if x.is_floating_point() and x.requires_grad)
        total.backward()
    return found


@contextmanager
def _replaced(module: ModuleType, name: str, value: object) -> Iterator[None]:
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


def _device_timer(torch: Any, repeats: int = 20) -> Timer:
    """Median seconds of a run on the device, after a warm-up that also compiles."""

    def timer(run: Callable[[], object]) -> float:
        for _ in range(3):
            run()
        seconds = []
        for _ in range(repeats):
            start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            run()
            stop.record()
            stop.synchronize()
            seconds.append(start.elapsed_time(stop) / 1000)
        middle: float = statistics.median(seconds)
        return middle

    return timer
