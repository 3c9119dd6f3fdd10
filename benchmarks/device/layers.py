"""Layers of emitted packages, what goes into them and what comes out of them."""

from __future__ import annotations

import importlib
import inspect
import math
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from benchmarks.device.run import Run

Tensors = list[Tensor]
MARGIN = 4096
SEQUENCES = ("lm", "cell")
STEPPING = ("cifar", "cifar_euler", "cifar_dissipative", "coupled_wave", "layer", "block")
SMALL = 0.1  # of parameters: couplings of random signs, whose fields must stay finite over all steps


def part_of(name: str, what: str) -> ModuleType:
    return importlib.import_module(f"{name}.{what}")


def layer_of(run: Run, name: str, channels: int, backend: str, dtype: torch.dtype, **options: Any) -> Any:
    """The layer of a package with random parameters, the same for every backend."""
    module = importlib.import_module(name)
    kind = getattr(module, next(n for n in module.__all__ if not n.endswith("State")))
    torch.manual_seed(1)
    layer = kind(channels, backend=backend, **options)
    with torch.no_grad():
        for parameter in layer.parameters():
            if parameter.dim():
                parameter.normal_(std=SMALL)
    return layer.to(run.device, dtype)


def guarded(run: Run, shape: tuple[int, ...], dtype: torch.dtype, offset: int = 0) -> Tensor:
    """A contiguous field in the middle of NaN: a lane that reads beside it shows. ``offset``: numbers off alignment."""
    n = math.prod(shape)
    whole = torch.full((n + 2 * MARGIN,), math.nan, dtype=dtype, device=run.device)
    inner = whole[MARGIN + offset : MARGIN + offset + n].view(shape)
    return inner.copy_(torch.rand(shape, dtype=torch.float64, device=run.device).mul_(0.8).add_(0.6))


def data(run: Run, layer: Any, shape: tuple[int, ...], dtype: torch.dtype, offset: int = 0) -> dict[str, Tensor]:
    """What a layer is called with; the channels of a sequence (B, C, T) are last in memory."""
    torch.manual_seed(2)
    parameters = inspect.signature(layer.forward).parameters.values()
    names = [p.name for p in parameters if p.default is p.empty or p.kind is p.POSITIONAL_OR_KEYWORD]
    if len(shape) == 3:
        b, c, t = shape
        return {n: guarded(run, (b, t, c), dtype, offset).mT for n in names}
    return {n: guarded(run, shape, dtype, offset) for n in names}


def read(layer: Any, state: Any, given: dict[str, Tensor]) -> Tensor:
    wanted = inspect.signature(layer.readout).parameters
    features: Tensor = layer.readout(state, **{n: x for n, x in given.items() if n in wanted})
    return features


def outputs(layer: Any, given: dict[str, Tensor], reads: bool = True) -> Tensors:
    """The fields of the state that depend on something, and the readout."""
    state = layer(**given)
    out = [x for x in state if x.is_floating_point() and x.requires_grad]
    return [*out, read(layer, state, given)] if reads and hasattr(layer, "readout") else out


def cotangents(out: Tensors) -> Tensors:
    """Random ones, the same for every precision and device."""
    torch.manual_seed(3)
    return [torch.randn(x.shape, dtype=torch.float64).to(x.device, x.dtype) for x in out]


def everything(layer: Any, given: dict[str, Tensor], reads: bool = True) -> tuple[Tensors, Tensors]:
    """Outputs, and the gradients of all inputs and parameters."""
    given = {k: x.detach().requires_grad_() for k, x in given.items()}
    out = outputs(layer, given, reads)
    leaves = [*given.values(), *layer.parameters()]
    grads = torch.autograd.grad(out, leaves, cotangents(out), allow_unused=True)
    filled = [torch.zeros_like(x) if g is None else g for g, x in zip(grads, leaves, strict=True)]
    return [x.detach() for x in out], filled


def distance(got: Tensors, truth: Tensors) -> float:
    """Largest |a - b| / |b| of the pairs, in the Euclidean norm; infinite where a number is none."""
    worst = 0.0
    for a, b in zip(got, truth, strict=True):
        scale = float(b.double().norm())
        error = float((a.double() - b.double()).norm()) / (scale if scale > 1e-12 else 1.0)
        worst = max(worst, math.inf if math.isnan(error) else error)
    return worst
