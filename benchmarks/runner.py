"""Run one race: check every contender against the reference, then let them take turns."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence

from benchmarks.bandwidth import Bandwidth
from benchmarks.contender import Contender, worst_difference
from benchmarks.races import Array, Race
from benchmarks.table import Result
from benchmarks.timing import Sample, clock, interleave

Maker = Callable[[Race, str], tuple[Contender, ...]]


def shortened(error: Exception) -> str:
    """An error on one line."""
    return f"failed: {type(error).__name__}: {' '.join(str(error).split())}"[:160]


def admit(
    race: Race, made: Sequence[Contender], expected: Mapping[str, Array]
) -> tuple[dict[str, float], dict[str, str]]:
    """Cold seconds of the contenders that run and agree, and what is wrong with the others."""
    cold: dict[str, float] = {}
    wrong: dict[str, str] = {}
    for one in made:
        try:
            seconds, result = clock(one.call)
            found = None if one.unchecked else one.numbers(result)
        except Exception as error:
            wrong[one.name] = shortened(error)
            continue
        difference, where = (0.0, "") if found is None else worst_difference(found, expected)
        if difference > race.tolerance:
            wrong[one.name] = f"wrong: {where} differs by {difference:.1e}"
        else:
            cold[one.name] = seconds
    return cold, wrong


def run(
    race: Race,
    reference: Contender,
    makers: Sequence[Maker],
    device: str,
    rounds: int,
    seconds: float,
    say: Callable[[str], None],
) -> tuple[Result, ...]:
    """The results of every contender of a race on a device."""
    expected = reference.numbers(reference.call())
    made: list[Contender] = []
    failed: list[Result] = []
    for maker in makers:
        try:
            made += maker(race, device)
        except Exception as error:
            failed.append(Result(maker.__module__, "", False, None, shortened(error)))
    cold, wrong = admit(race, made, expected)
    say(f"{race.name}: {len(cold)} contenders" + "".join(f"; {name}: {why}" for name, why in wrong.items()))
    times = interleave({one.name: one.call for one in made if one.name in cold}, rounds=rounds, seconds=seconds)
    results = [
        Result(
            one.name,
            one.family,
            one.gradients,
            Sample(cold[one.name], times[one.name]) if one.name in cold else None,
            wrong.get(one.name, ""),
        )
        for one in made
    ]
    return (*results, *failed)


def note(race: Race, bandwidth: Bandwidth, cache: int) -> str:
    """What the floor does not say: state that fits the cache, steps that pass through memory."""
    if race.kind == "poisson" and race.state <= cache:
        return "state fits the last cache: the floor does not bind, the iterations do"
    if race.workload.startswith("W2"):
        streaming = bandwidth.seconds(race.steps * race.state)
        return f"one pass over memory a step would take {1e3 * streaming:.1f} ms"
    return ""


def settle(device: str) -> None:
    """Between races: forget compiled graphs and free memory."""
    import torch

    torch._dynamo.reset()
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()
