"""What an interpreter cannot show: numbers of warps, waits for the host, graphs, streams, precisions, large grids."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.device.layers import data, distance, everything, layer_of
from benchmarks.device.replay import captured, compiled, repeated, syncs
from benchmarks.device.run import Run, Values

RUNS: dict[str, Callable[..., Values]] = {"syncs": syncs, "compile": compiled, "repeat": repeated}
KINDS = ("channels", "syncs", "graph", "repeat", "tf32", "compile", "big")


def hazard(run: Run, which: str) -> None:
    warnings.simplefilter("ignore")
    if which == "channels":
        _channels(run)
    elif which == "tf32":
        _tf32(run)
    elif which == "big":
        _big(run)
    else:
        _layers(run, which)


def _layers(run: Run, which: str) -> None:
    field = (1, 2, 3, 5) if run.smoke else (4, 64, 32, 32)
    names = ("cifar_dissipative",) if run.smoke else ("cifar", "cifar_dissipative", "coupled_wave")
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(names, field)
    shapes |= {"maze": (1, 1, 3, 5) if run.smoke else (4, 1, 32, 32), "lm": (2, 8, 16) if run.smoke else (4, 64, 500)}
    for short, shape in shapes.items():
        name = run.full(short)
        if name is None:
            continue
        options = {} if short in ("maze", "lm") else {"steps": 2}
        layer = layer_of(run, name, shape[1], "triton", torch.float32, **options)
        given = data(run, layer, shape, torch.float32)
        for reads in (True,) if run.smoke else (False, True):
            case = f"{which} {short} {'with readout' if reads else 'state'}"
            bodies: dict[str, Callable[[], Values]] = {}
            if which == "graph":
                bodies = {f" {'both' if back else 'forward'}": _bound(captured, run, layer, given, reads, back)
                          for back in (False, True)}  # fmt: skip
            else:
                bodies = {"": _bound(RUNS[which], run, layer, given, reads)}
            for more, body in bodies.items():
                run.attempt("hazard", case + more, body)


def _bound(f: Callable[..., Values], *given: Any) -> Callable[[], Values]:
    return lambda: f(*given)


def _channels(run: Run) -> None:
    """Groups of every number of channels: their warps must be a power of two."""
    for channels in (3,) if run.smoke else range(1, 13):
        for side in (4,) if run.smoke else (8, 16, 32):
            for short in ("cifar",) if run.smoke else ("cifar", "coupled_wave"):
                name = run.full(short)
                if name:
                    body = _bound(_finite, run, name, (2, channels, side, side))
                    run.attempt("hazard", f"channels {short} C={channels} {side}x{side}", body)


def _finite(run: Run, name: str, shape: tuple[int, ...]) -> Values:
    layer = layer_of(run, name, shape[1], "triton", torch.float32, steps=2)
    found = everything(layer, data(run, layer, shape, torch.float32))
    return {"ok": all(bool(torch.isfinite(x).all()) for part in found for x in part)}


def _tf32(run: Run) -> None:
    """Products of matrices in less than float32, as trainers allow them: values and gradients of one precision."""
    name = run.full("cifar")
    if name is None or run.smoke:
        return

    def body() -> Values:
        layer = layer_of(run, name, 64, "triton", torch.float32)
        truth = layer_of(run, name, 64, "torch", torch.float64)
        truth.load_state_dict(layer.state_dict())
        given = data(run, layer, (4, 64, 32, 32), torch.float32)
        torch.set_float32_matmul_precision("high")
        fast = everything(layer, given, False)
        torch.set_float32_matmul_precision("highest")
        want = everything(truth, {k: x.double() for k, x in given.items()}, False)
        wrong = distance(fast[1], want[1])
        return {"ok": wrong < 3e-4, "error": distance(fast[0], want[0]), "grad_error": wrong}

    run.attempt("hazard", "tf32: matmul precision high, cifar", body)


def _big(run: Run) -> None:
    """More than 2^31 numbers, and planes of more blocks than the second axis of a grid has."""
    name = run.full("cifar_dissipative")
    if name is None or run.smoke:
        return

    def wide(side: int, batch: int, channels: int) -> Values:
        layer = layer_of(run, name, channels, "triton", torch.float32)
        with torch.no_grad():
            few = torch.rand(2, channels, side, side, device=run.device)
            many = few.repeat(batch // 2, 1, 1, 1)
            want, got = layer(few)[0], layer(many)[0]
            return {"ok": torch.equal(got[-2:], want) and torch.equal(got[:2], want), "numbers": many.numel()}

    run.attempt("hazard", "2^31 numbers, on chip", _bound(wide, 32, 33000, 64))
    run.attempt("hazard", "2^31 numbers, part by part", _bound(wide, 1024, 34, 64))
    run.attempt("hazard", "planes of many blocks", _bound(wide, 8200, 2, 1))
