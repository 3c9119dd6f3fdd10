"""Interleaved timing: every contender has one turn a round, so that a slow minute of the machine hits them all."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any


@dataclass(frozen=True)
class Sample:
    """Seconds of one contender: the cold first call, and a time a round."""

    cold: float
    times: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.times)

    @property
    def fastest(self) -> float:
        return min(self.times)

    @property
    def spread(self) -> float:
        """Interquartile range; zero for a single time."""
        if len(self.times) < 2:
            return 0.0
        low, _, high = statistics.quantiles(self.times, n=4, method="inclusive")
        return high - low


def clock(call: Callable[[], Any], now: Callable[[], float] = time.perf_counter) -> tuple[float, Any]:
    """Seconds of one call, and what it returned."""
    start = now()
    result = call()
    return now() - start, result


def interleave(
    calls: Mapping[str, Callable[[], Any]],
    *,
    rounds: int,
    seconds: float,
    pause: float = 0.005,
    now: Callable[[], float] = time.perf_counter,
) -> dict[str, tuple[float, ...]]:
    """Round-robin times: ``rounds`` rounds, fewer (but three) once ``seconds`` have passed.

    A turn is a pause, one untimed call and one timed call: idle threads of the library before go to sleep in the pause,
    and the untimed call finds the caches as that library left them.
    The order turns by one every round, so that nobody always follows the same neighbour.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    names = list(calls)
    start = now()
    for turn in range(rounds):
        if turn >= 3 and now() - start > seconds:
            break
        shift = turn % max(len(names), 1)
        for name in names[shift:] + names[:shift]:
            time.sleep(pause)
            calls[name]()
            times[name].append(clock(calls[name], now)[0])
    return {name: tuple(values) for name, values in times.items()}


def both_ways(sides: Mapping[str, Callable[[bool], Any]], turns: int) -> dict[str, tuple[float, float]]:
    """The smallest seconds of each side, forward and with gradients, in turns; the first turn compiles."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for turn in range(turns + 1):
        for name, run in sides.items():
            pair = [clock(partial(run, backward))[0] for backward in (False, True)]
            if turn:
                times[name].append((pair[0], pair[1]))
    return {name: (min(a for a, _ in pairs), min(b for _, b in pairs)) for name, pairs in times.items()}
