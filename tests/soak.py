"""Layers without end: python -m tests.soak [SECONDS]

Draws a layer, a backend, a dtype and sizes, makes the layer, runs it forward and backward, and forgets it. Exit code 1
where the memory of the process has grown: after a warm-up, in which everything that is drawn has run, the resident set
may grow by BOUND and no more. A quarter of the time the Triton kernels run, in a process of their own, interpreted
where there is no GPU. Default: an hour.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from itertools import product
from pathlib import Path

BOUND = 48  # MiB; the pieces that an allocator keeps come and go by half of it
SHORT = 300.0  # seconds; a shorter soak draws among a few layers and leaves Triton out
FEW = ("explicit", "steady")
ON_LATTICE = ("explicit", "coupled", "implicit", "steady", "learned")
TILES = (1, 2, 3)
PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
Work = Callable[[], None]


def resident() -> float:
    """MiB of the process in memory, without what is free already."""
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / 2**20


def soak(works: Sequence[Work], seconds: float, seed: int = 0, every: float = 30.0, warm: int = 3) -> float:
    """Run each work ``warm`` times, then draw works for the given time; prints progress, returns the growth in MiB."""
    for work in [work for work in works for _ in range(warm)]:
        work()
    before, began, rng, count, told = resident(), time.monotonic(), random.Random(seed), 0, time.monotonic()
    print(f"warm: {len(works)} cells, {before:.0f} MiB", flush=True)
    while time.monotonic() - began < seconds:
        rng.choice(works)()
        count += 1
        if time.monotonic() - told >= every:
            told = time.monotonic()
            print(f"{told - began:6.0f} s  {count} calls  {resident() - before:+.1f} MiB", flush=True)
    growth = resident() - before
    print(f"{seconds:6.0f} s  {count} calls  {growth:+.1f} MiB, at most {BOUND}", flush=True)
    return growth


def works_of(names: Sequence[str], backends: Sequence[str]) -> list[Work]:
    """A cell for every layer, backend that it has, dtype, and tiling."""
    import torch

    from tests.kernels.stack import FAMILIES, Family

    device = "cuda" if torch.cuda.is_available() and "triton" in backends else "cpu"

    def work(name: str, family: Family, backend: str, dtype: torch.dtype, tile: int) -> None:
        layer = family.layer(backend=backend).to(device=device, dtype=dtype)
        positional, named = family.call()
        axes = {"sequence": 1}.get(name, positional[0].dim() - 2 if name in ON_LATTICE else 0)

        def sized(x: torch.Tensor) -> torch.Tensor:
            x = x[torch.arange(tile + 1) % 3] if x.shape[0] == 3 else x
            x = x.repeat(*[1] * (x.dim() - axes), *[tile] * axes).to(device)
            return x.to(dtype).requires_grad_() if x.is_floating_point() else x

        state = layer(*map(sized, positional), **{key: sized(x) for key, x in named.items()})
        fields = [x for x in state if x.requires_grad]
        loss = sum(x.square().sum() for x in fields)
        assert bool(loss.isfinite()), (name, backend, dtype, tile)
        loss.backward()

    found: list[Work] = []
    print(f"layers {', '.join(names)} on {', '.join(backends)}", flush=True)
    for name, backend in product(names, backends):
        try:
            FAMILIES[name].layer(backend=backend)
        except (ValueError, RuntimeError):  # not emitted for this package
            continue
        for dtype, tile in product((torch.float32, torch.float64), TILES):
            found.append(lambda given=(name, FAMILIES[name], backend, dtype, tile): work(*given))  # type: ignore[misc]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seconds", type=float, nargs="?", default=3600.0)
    parser.add_argument("--triton", action="store_true", help="the Triton kernels alone")
    given = parser.parse_args()
    from tests.kernels.stack import FAMILIES

    if given.triton:
        return int(soak(works_of(tuple(FAMILIES), ("triton",)), given.seconds, warm=1) > BOUND)
    whole = given.seconds >= SHORT
    names, share = (tuple(FAMILIES), given.seconds / 4) if whole else (FEW, 0.0)
    share = share if find_spec("triton") else 0.0
    works = works_of(names, ("torch", "cpu"))
    grown = soak(works, given.seconds - share) > BOUND
    if share:
        import torch

        interpreted = {} if torch.cuda.is_available() else {"TRITON_INTERPRET": "1"}
        command = [sys.executable, "-m", "tests.soak", str(share), "--triton"]
        grown |= subprocess.call(command, env={**os.environ, **interpreted}) != 0
    print("memory has grown" if grown else "memory has not grown", flush=True)
    return int(grown)


if __name__ == "__main__":
    sys.exit(main())
