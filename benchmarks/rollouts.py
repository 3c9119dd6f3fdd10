"""What states and readouts on the way cost beside the last state alone: ``python -m benchmarks.rollouts``.

The layer of W6 (``benchmarks.driven``) forward, with all states, with every eighth, with the readouts of as many; and
the frames alone, written by torch into memory that is kept, which is the streaming bandwidth, and into fresh pages.
The target: a rollout at most 1.3 times ``forward`` and the time in which as many bytes are written. All take turns;
printed are the smallest times. With ``--cpu-time`` they are those of the processor, for a machine that others use too.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.driven import given, layer, wave
from trainers.memory import keep_freed_memory

SHAPE = (16, 16, 32, 64)  # samples, channels, sites along an axis, steps


def sides(folder: Path, shape: tuple[int, int, int, int]) -> dict[str, Callable[[], object]]:
    samples, channels, side, steps = shape
    module = layer(wave(steps), folder, channels, "cpu")
    q, p, source = (torch.from_numpy(x) for x in given("W6", *shape).values())
    frames = [torch.empty(steps, samples, channels, side, side) for _ in range(2)]

    def written() -> None:
        for x in frames:
            x.fill_(1.0)

    def read(every: int) -> tuple[Tensor, ...]:
        last, found = module.rollout_readout(q, p, J=source, every=every)
        return (*last, found)

    return {
        "forward": lambda: module(q, p, J=source),
        "rollout": lambda: module.rollout(q, p, J=source),
        "rollout, every=8": lambda: module.rollout(q, p, J=source, every=8),
        "rollout_readout": lambda: read(1),
        "rollout_readout, every=8": lambda: read(8),
        "frames, in place": written,
        "frames, fresh": lambda: [torch.full_like(x, 1.0) for x in frames],
    }


def measured(found: dict[str, Callable[[], object]], turns: int, clock: Callable[[], float]) -> dict[str, float]:
    """The smallest milliseconds of each."""
    times: dict[str, list[float]] = {name: [] for name in found}
    for turn in range(turns + 1):
        for name, run in found.items():
            start = clock()
            run()
            if turn:  # the first compiles
                times[name].append(1e3 * (clock() - start))
    return {name: min(spent) for name, spent in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cpu-time", action="store_true")
    parser.add_argument("--keep", action="store_true", help="the C library keeps what is freed")
    parser.add_argument("--quick", action="store_true", help="small shapes, to see that it runs")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.keep:
        keep_freed_memory()  # fresh pages would cost more than the steps
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        sys.path.insert(0, folder)
        found = sides(Path(folder), (2, 2, 8, 16) if options.quick else SHAPE)
        times = measured(found, options.turns, time.process_time if options.cpu_time else time.perf_counter)
        sys.path.remove(folder)
    for name, spent in times.items():
        print(f"{name:26} {spent:9.2f} ms")
    for every, name in ((1, "rollout"), (8, "rollout, every=8")):
        allowed = 1.3 * times["forward"] + times["frames, in place"] / every
        print(f"{name}: {times[name] / allowed:.2f} of 1.3 times forward and the bytes of the frames")


if __name__ == "__main__":
    main()
