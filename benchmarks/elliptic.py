"""Elliptic constraints, beside what one writes by hand: ``python -m benchmarks.elliptic``.

The two-dimensional Euler equations of specs/gallery/euler_vorticity.py, 8 steps of RK4 with four solves of lap psi = w
each, on (B, 1, n, n) in float32. By hand: the same stencil by ``torch.roll`` and the solve by ``torch.fft``, eager.
"iterated" is the layer as it is where no waves diagonalise its operator: conjugate gradient. All run in turns in one
process and one thread; printed is the smallest time of a turn, in milliseconds.
"""

from __future__ import annotations

import argparse
import importlib
import math
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from benchmarks.graph_steps import measured
from metrigen.compiler import compile_spec
from metrigen.spec.load import load_spec

SPEC = Path(__file__).parents[1] / "specs" / "gallery" / "euler_vorticity.py"
STEPS, DT = 8, 0.1


def layer_of(name: str, folder: Path) -> Any:
    """The layer of a package that is made under that name."""
    spec = load_spec(SPEC)
    made = compile_spec(replace(spec, system=replace(spec.system, name=name)))
    (folder / name).mkdir()
    for file, text in made.files.items():
        (folder / name / file).write_text(text)
    module = importlib.import_module(name)
    return getattr(module, next(n for n in module.__all__ if not n.endswith("State")))


def iterated(folder: Path) -> Any:
    with (
        patch("metrigen.ir.constraints.modes_of", lambda *_: None),
        patch("metrigen.backends.cpu.waves.modes_of", lambda *_: None),
        patch("metrigen.backends.cpu.waves.why_no_modes", lambda *_: "is solved by iteration"),
    ):
        return layer_of("euler_iterated", folder)


def rate(w: Tensor, eigenvalues: Tensor) -> Tensor:
    """w_t = -[psi, w] with -dH/dw = psi, the stencil that the layer has."""
    psi = torch.fft.irfft2(torch.fft.rfft2(w) / eigenvalues, s=w.shape[-2:])

    def at(x: Tensor, i: int, j: int) -> Tensor:
        return torch.roll(x, (-i, -j), (-2, -1))

    nw, ne, sw, se = at(psi, -1, -1), at(psi, -1, 1), at(psi, 1, -1), at(psi, 1, 1)
    return 0.25 * (
        (nw - sw) * at(w, 0, -1) + (sw - se) * at(w, 1, 0) - (ne - se) * at(w, 0, 1) - (nw - ne) * at(w, -1, 0)
    )


def by_hand(w: Tensor, eigenvalues: Tensor) -> Tensor:
    for _ in range(STEPS):
        a = rate(w, eigenvalues)
        b = rate(w + 0.5 * DT * a, eigenvalues)
        c = rate(w + 0.5 * DT * b, eigenvalues)
        w = w + DT / 6 * (a + 2 * b + 2 * c + rate(w + DT * c, eigenvalues))
    return w


def laplacian(n: int) -> Tensor:
    """The eigenvalues of -lap, with the sign of psi in front, infinite at the constants."""
    i, j = (4 * torch.sin(math.pi * torch.arange(m) / n).square() for m in (n, n // 2 + 1))
    found = i[:, None] + j
    found[0, 0] = torch.inf
    return found


def race(samples: int, n: int, layers: dict[str, Any], turns: int) -> None:
    w = torch.randn(samples, 1, n, n, generator=torch.Generator().manual_seed(0)).requires_grad_()
    eigenvalues = laplacian(n)

    def of_layer(layer: Any) -> Callable[[], Tensor]:
        return lambda: layer(w)[0]

    runs = {name: of_layer(layer) for name, layer in layers.items()}
    runs["torch.fft by hand"] = lambda: by_hand(w, eigenvalues)
    with torch.no_grad():
        wanted = runs["torch"]()
        apart = {name: float((run() - wanted).abs().max()) for name, run in runs.items()}
    print(f"({samples}, 1, {n}, {n}); apart from torch: " + ", ".join(f"{k} {v:.0e}" for k, v in apart.items()))

    def forward(run: Callable[[], Tensor]) -> Callable[[], object]:
        return torch.no_grad()(run)

    def both(run: Callable[[], Tensor]) -> Callable[[], object]:
        return lambda: torch.autograd.grad(run().square().sum(), w)

    for kind, made in (("forward", forward), ("forward and backward", both)):
        found = measured({name: made(run) for name, run in runs.items()}, turns)
        own = found["cpu"]
        print(
            f"  {kind}: " + ", ".join(f"{name} {ms:.2f} ms ({ms / own:.1f})" for name, ms in found.items()), flush=True
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--waves", action="store_true", help="leave out conjugate gradient, some hundred times slower")
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sys.path.insert(0, name)
        new = layer_of("euler_by_waves", folder)
        layers = {"torch": new(1, backend="torch"), "cpu": new(1, backend="cpu")}
        if not given.waves:
            layers["iterated"] = iterated(folder)(1)
        for n in given.sizes:
            race(max(1, 8 * 64 * 64 // n**2), n, layers, given.turns)


if __name__ == "__main__":
    main()
