"""``python tests/physics/thorough.py [COUNT]``: derive so many random specs and all adversaries; report, and fail on
anything that is neither a derivation nor a SpecError nor a StructureError, or that takes more than 20 s of processor
time. Too long for every run of the tests."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable

from adversaries import ADVERSARIES
from test_random_specs import spec

from metrigen import MetrigenError, System, derive

LIMIT = 20.0


def outcome(make: Callable[[], System]) -> tuple[str, float]:
    start = time.process_time()
    try:
        derive(make())
        kind = "derived"
    except MetrigenError as error:
        kind = type(error).__name__
    return kind, time.process_time() - start


def main(count: int) -> None:
    kinds: Counter[str] = Counter()
    slowest, total = (0.0, ""), 0.0
    jobs: list[tuple[str, Callable[[], System]]] = [
        (f"seed {seed}", lambda seed=seed: spec(seed)) for seed in range(count)
    ]
    jobs += list(ADVERSARIES.items())
    for name, make in jobs:
        kind, seconds = outcome(make)
        kinds[kind] += 1
        slowest, total = max(slowest, (seconds, name)), total + seconds
        assert seconds < LIMIT, f"{name} took {seconds:.1f} s"
    print(f"{sum(kinds.values())} specs in {total:.0f} s: {dict(kinds)}; slowest {slowest[1]}, {slowest[0]:.1f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
