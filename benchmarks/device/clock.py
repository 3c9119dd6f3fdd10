"""Microseconds of a call: back to back from Python, and replayed from a CUDA graph, which is the device alone."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable

import torch

from benchmarks.device.run import Run, Values

Call = Callable[[], object]


def timed(run: Run, call: Call, seconds: float = 0.15) -> Values:
    """Medians; what cannot be captured in a graph has "graph_error" instead of "graph_us"."""
    if run.smoke:
        began = time.perf_counter()
        call()
        return {"eager_us": 1e6 * (time.perf_counter() - began)}
    for _ in range(3):
        call()
    torch.cuda.synchronize()
    count = max(5, min(200, int(seconds / max(_seconds(call, 1), 1e-6))))
    found: Values = {"eager_us": round(1e6 * statistics.median(_seconds(call, count) for _ in range(3)), 2)}
    try:
        found["graph_us"] = round(_replayed(call, max(10, count)), 2)
    except Exception as error:
        found["graph_error"] = f"{type(error).__name__}: {error}"[:200]
        torch.cuda.synchronize()
    return found


def device_us(found: Values) -> float:
    """The device alone where it could be timed, else as Python calls it."""
    return float(found["graph_us"] if "graph_us" in found else found["eager_us"])


def _seconds(call: Call, count: int) -> float:
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(count):
        call()
    torch.cuda.synchronize()
    return (time.perf_counter() - began) / count


def _replayed(call: Call, count: int) -> float:
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        call()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    graph.replay()
    samples = []
    for _ in range(count):
        start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        graph.replay()
        stop.record()
        samples.append((start, stop))
    torch.cuda.synchronize()
    middle: float = statistics.median(a.elapsed_time(b) for a, b in samples)
    return 1e3 * middle


def floor(shape: tuple[int, ...], fields: int, speed: float) -> Values:
    """The time that memory needs for so many float32 fields, at ``speed`` bytes a second."""
    moved = 4 * math.prod(shape) * fields
    return {"floor_us": round(1e6 * moved / speed, 2), "moved_MB": round(moved / 1e6, 1)}


def bandwidth(run: Run) -> float:
    """Bytes a second of a copy."""
    a = torch.rand(1 << (16 if run.smoke else 30), device=run.device)
    b = torch.empty_like(a)
    found = timed(run, lambda: b.copy_(a))
    return 8 * a.numel() / (1e-6 * device_us(found))
