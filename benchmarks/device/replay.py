"""One layer watched: waits for the host, a CUDA graph, torch.compile, another stream under load."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.device.layers import Tensors, cotangents, distance, everything, outputs, read
from benchmarks.device.run import Run, Values

Given = dict[str, Tensor]


def syncs(run: Run, layer: Any, given: Given, reads: bool) -> Values:
    """Waits of the host for the device in one forward and backward, and the lines that wait."""
    everything(layer, given, reads)  # compiles
    if run.smoke:
        return {"ok": True, "syncs": None}
    given = {k: x.detach().requires_grad_() for k, x in given.items()}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            out = outputs(layer, given, reads)
            forward = sum("synchroniz" in str(w.message) for w in caught)
            ones = [torch.ones_like(x) for x in out]
            torch.autograd.grad(out, [*given.values(), *layer.parameters()], ones, allow_unused=True)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    waits = [w for w in caught if "synchroniz" in str(w.message)]
    where = sorted({f"{Path(w.filename).parent.name}/{Path(w.filename).name}:{w.lineno}" for w in waits})
    return {"ok": not waits, "forward": forward, "both": len(waits), "where": where}


def captured(run: Run, layer: Any, given: Given, reads: bool, backward: bool) -> Values:
    """Captured in a CUDA graph and replayed on other numbers: what a call finds."""
    given = {k: x.detach().clone().requires_grad_(backward) for k, x in given.items()}

    def once() -> Tensors:
        if not backward:
            with torch.no_grad():
                state = layer(**given)
                return [read(layer, state, given)] if reads else [x for x in state if x.is_floating_point()]
        out = outputs(layer, given, reads)
        ones = [torch.ones_like(x) for x in out]
        grads = torch.autograd.grad(out, [*given.values(), *layer.parameters()], ones, allow_unused=True)
        return [g for g in grads if g is not None]

    if run.smoke:
        return {"ok": all(bool(torch.isfinite(x).all()) for x in once())}
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            once()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        held = once()
    with torch.no_grad():
        for x in given.values():
            x.mul_(0.9)
    graph.replay()
    torch.cuda.synchronize()
    return {"ok": distance(held, [x.detach() for x in once()]) < 1e-6}


def compiled(run: Run, layer: Any, given: Given, reads: bool) -> Values:
    """torch.compile of the layer, forward and backward, in one graph."""
    torch._dynamo.reset()
    want = everything(layer, given, reads)
    twin = copy.deepcopy(layer)
    backend = "aot_eager" if run.smoke else "inductor"
    fast = torch.compile(lambda z: outputs(twin, z, reads), fullgraph=True, backend=backend)
    given = {k: x.detach().requires_grad_() for k, x in given.items()}
    out = fast(given)
    grads = torch.autograd.grad(out, [*given.values(), *twin.parameters()], cotangents(out), allow_unused=True)
    got = [torch.zeros_like(x) if g is None else g for g, x in zip(grads, want[1], strict=True)]
    error = max(distance([x.detach() for x in out], want[0]), distance(got, want[1]))
    return {"ok": error < 1e-4, "error": error}


def repeated(run: Run, layer: Any, given: Given, reads: bool) -> Values:
    """The same bits forty times, on a stream of its own, while another stream keeps the device busy."""
    want = [x for part in everything(layer, given, reads) for x in part]
    rounds = 1 if run.smoke else 40
    different = 0
    own = noise = block = None
    if not run.smoke:
        own, noise = torch.cuda.Stream(), torch.cuda.Stream()
        own.wait_stream(torch.cuda.current_stream())
        block = torch.randn(4096, 4096, device=run.device)
    for _ in range(rounds):
        if block is not None:
            with torch.cuda.stream(noise):
                block = torch.tanh(block @ block)
        with torch.cuda.stream(own):
            got = [x for part in everything(layer, given, reads) for x in part]
        if own is not None:
            own.synchronize()
        different += not all(torch.equal(a, b) for a, b in zip(got, want, strict=True))
    return {"ok": different == 0, "different": different}
