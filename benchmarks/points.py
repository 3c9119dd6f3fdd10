"""Systems of ODEs at a point, each by its CPU kernels and by eager PyTorch: ``python -m benchmarks.points``.

K steps of systems of specs/gallery at (samples, channels) numbers in single precision, forward and backward. All sides
run in turns in one process; printed is the smallest time of a turn, in microseconds of one thread, and how many times
longer than the kernels the reference takes, and what is written by hand (benchmarks/by_hand.py) where there is some.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.by_hand import LAYERS
from metrigen.compiler import compile_spec
from metrigen.spec.load import load_spec

GALLERY = Path(__file__).resolve().parents[1] / "specs" / "gallery"
SIDES = ("cpu", "torch")
SYSTEMS = ["duffing", "pendulum", "kepler", "lotka_volterra", "channel_oscillators", "kuramoto", "morse_oscillator"]
Times = dict[str, tuple[float, float]]


def layers(name: str, folder: Path, channels: int, steps: int) -> dict[str, torch.nn.Module]:
    """The layer of a spec of the gallery on all sides."""
    target = folder / name
    target.mkdir()
    for file, text in compile_spec(load_spec(GALLERY / f"{name}.py")).files.items():
        (target / file).write_text(text, encoding="utf-8")
    module = importlib.import_module(name)
    kind = getattr(module, next(n for n in module.__all__ if not n.endswith("State")))
    found = {side: kind(channels, steps=steps, backend=side) for side in SIDES}
    return found | ({"by hand": LAYERS[name](channels, steps)} if name in LAYERS else {})


def measured(pair: dict[str, torch.nn.Module], samples: int, channels: int, turns: int) -> Times:
    """The smallest times of each side forward and backward, us."""
    kind: Any = type(pair["cpu"])
    names = (*kind.FIELDS, *kind.INPUTS)
    given = [(0.2 + 0.3 * torch.rand(samples, channels)).requires_grad_() for _ in names]
    found: dict[str, list[tuple[float, float]]] = {side: [] for side in pair}
    for side in (side for _ in range(turns + 1) for side in pair):  # the first turn compiles
        for _ in range(3):  # what the other side left cold is warm at the last of them
            start = time.thread_time()
            loss = torch.stack([x.sum() for x in pair[side](*given) if x.requires_grad]).sum()
            middle = time.thread_time()
            torch.autograd.grad(loss, given)
            found[side].append((1e6 * (middle - start), 1e6 * (time.thread_time() - middle)))
    return {side: (min(t for t, _ in runs[3:]), min(t for _, t in runs[3:])) for side, runs in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--system", nargs="*", default=SYSTEMS)
    parser.add_argument("--steps", type=int, nargs="*", default=[100, 8])
    parser.add_argument("--samples", type=int, default=2048)
    parser.add_argument("--channels", type=int, default=4)
    parser.add_argument("--turns", type=int, default=15)
    given = parser.parse_args()
    torch.set_num_threads(1)
    for steps in given.steps:
        for name in given.system:
            with tempfile.TemporaryDirectory() as folder:
                sys.path.insert(0, folder)
                pair = layers(name, Path(folder), given.channels, steps)
                times = measured(pair, given.samples, given.channels, given.turns)
                sys.path.remove(folder)
                for module in [m for m in sys.modules if m.split(".")[0] == name]:
                    del sys.modules[module]
            text = ", ".join(f"{side} {a:.0f} + {b:.0f} us" for side, (a, b) in times.items())
            gains = ((side, *(times[side][i] / times["cpu"][i] for i in (0, 1))) for side in times if side != "cpu")
            told = ", ".join(f"{side} {a:.1f} and {b:.1f}" for side, a, b in gains)
            print(f"{name}, {steps} steps: {text}; times as long: {told}", flush=True)


if __name__ == "__main__":
    main()
