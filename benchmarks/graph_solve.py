"""One matrix, thousands of right sides: ``python -m benchmarks.graph_solve``.

The steady state of generated/sudoku (81 nodes, 8 channels, weights that all samples share) by one Cholesky factor a
channel, and by conjugate gradient to a relative residual of 1e-5, forward alone and with the reverse pass. Both run in
turns in one process; printed is the smallest time of a turn, in milliseconds of one thread.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import torch

from generated.sudoku import Sudoku

NODES, CHANNELS = 81, 8


def measured(runs: dict[str, Callable[[], object]], turns: int) -> dict[str, float]:
    """The smallest time of each run, ms."""
    best = dict.fromkeys(runs, float("inf"))
    for _ in range(turns):
        for name, run in runs.items():
            start = time.thread_time()
            run()
            best[name] = min(best[name], 1e3 * (time.thread_time() - start))
    return best


def peers(batch: int, screening: float) -> dict[str, Callable[[], object]]:
    """The four runs at one batch size and one screening; the mean degree of the weights is 16."""
    generator = torch.Generator().manual_seed(0)
    source = torch.randn(batch, CHANNELS, NODES, generator=generator)
    w = torch.rand(CHANNELS, NODES, NODES, generator=generator)
    w = (0.2 * (w + w.mT)).requires_grad_()
    layers = {solver: Sudoku(CHANNELS, solver=solver, rtol=1e-5) for solver in ("cholesky", "cg")}
    for layer in layers.values():
        layer.m2 = screening

    def forward(layer: Sudoku) -> None:
        layer(source, w.detach())

    def reverse(layer: Sudoku) -> None:
        layer(source, w).phi.square().sum().backward()

    return {
        f"{solver}{label}": partial(run, layer)
        for solver, layer in layers.items()
        for label, run in (("", forward), (", reverse", reverse))
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, nargs="*", default=[256, 2048])
    parser.add_argument("--screening", type=float, nargs="*", default=[1.0, 0.1])
    parser.add_argument("--turns", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    for batch in given.batch:
        for screening in given.screening:
            times = measured(peers(batch, screening), given.turns)
            gain = times["cg"] / times["cholesky"], times["cg, reverse"] / times["cholesky, reverse"]
            text = ", ".join(f"{name} {ms:.1f} ms" for name, ms in times.items())
            print(f"{batch} samples, m2 = {screening:g}: {text}; gain {gain[0]:.1f} and {gain[1]:.1f}")


if __name__ == "__main__":
    main()
