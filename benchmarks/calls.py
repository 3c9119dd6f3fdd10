"""What one call costs where the field is small, beside one operator of torch: ``python -m benchmarks.calls``.

One step on (1, 1, 8, 8) in single precision of layers built from ``benchmarks/specs`` and ``specs/cifar.py``, or of the
packages in ``--packages``. Printed are the least microseconds of one thread of a call, and how many times those of a
custom operator of torch that adds two tensors, without gradients, the call takes.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
LAYERS = {"layer": ROOT / "benchmarks" / "specs" / "layer.py", "cifar": ROOT / "specs" / "cifar.py"}


def add(x: Tensor, y: Tensor) -> Tensor:
    return x + y


def least(run: Callable[[], object], turns: int, calls: int = 100) -> float:
    """Microseconds of a call, the least mean of so many calls."""
    found = []
    for _ in range(turns + 1):  # the first turn compiles
        begun = time.thread_time()
        for _ in range(calls):
            run()
        found.append((time.thread_time() - begun) / calls)
    return 1e6 * min(found[1:])


def measured(layer: Any, turns: int) -> dict[str, float]:
    """Microseconds by the way of calling."""
    phi, pi = torch.randn(2, 1, 1, 8, 8)
    leaf = phi.clone().requires_grad_()

    def back() -> None:
        end = layer(leaf, pi)
        torch.autograd.grad((end.phi, end.pi), (leaf, *layer.parameters()), (phi, pi))

    found = {
        "training, forward": least(lambda: layer(phi, pi), turns),
        "training, forward and backward": least(back, turns),
    }
    with torch.no_grad():
        found["forward without gradients"] = least(lambda: layer(phi, pi), turns)
    layer.freeze()
    found["frozen, gradients of fields"] = least(lambda: layer(leaf, pi), turns)
    with torch.no_grad():
        found["frozen, without gradients"] = least(lambda: layer(phi, pi), turns)
        found["frozen, with its readout"] = least(lambda: layer.forward_readout(phi, pi), turns)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packages", type=Path, help="a folder of built packages")
    parser.add_argument("--turns", type=int, default=30)
    given = parser.parse_args()
    torch.set_num_threads(1)
    operator = torch.library.custom_op("benchmarks::add", add, mutates_args=())
    x, y = torch.randn(2, 1, 1, 8, 8)
    with torch.no_grad():
        unit = least(lambda: operator(x, y), given.turns)
    print(f"custom operator: {unit:.1f} us")
    with tempfile.TemporaryDirectory() as folder:
        if given.packages is None:
            from metrigen.build import compile_file, packages_of, write_packages

            compiled = [compile_file(path, lambda stage: None) for path in LAYERS.values()]
            write_packages(packages_of(compiled, Path(folder)))
        sys.path.insert(0, str(given.packages or folder))
        for name in LAYERS:
            made = getattr(importlib.import_module(name), name.capitalize())(1, steps=1)
            for way, us in measured(made, given.turns).items():
                print(f"{name}, {way}: {us:.1f} us, {us / unit:.1f} times", flush=True)


if __name__ == "__main__":
    main()
