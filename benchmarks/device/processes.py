"""Parts in processes of their own, since an illegal access spoils a CUDA context: checks side by side, then times
alone, in order of value, while there is time."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from benchmarks.device.run import Run

HAZARDS = ("channels", "syncs", "graph", "repeat", "tf32", "compile", "big")
FIRST = ("cifar", "maze", "lm", "coupled_wave", "layer", "cifar_dissipative", "cifar_euler")
TIMES = (*(f"time:{k}" for k in range(4)), "pieces", "others", "warps", *(f"time:{k}" for k in range(4, 15)))
CHECKED = {"METRIGEN_CHECK": "1"}  # results hold NaN until they are written
SANITIZED = {"PYTORCH_NO_CUDA_MEMORY_CACHING": "1"}


@dataclass(frozen=True)
class Job:
    part: str
    prefix: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)


def everything(run: Run, options: argparse.Namespace) -> None:
    end = time.monotonic() + options.seconds
    with open(Path(options.out) / "log.txt", "a", encoding="utf-8") as log:
        if run.smoke:
            _finish(run, "smoke", _start(Job("smoke", (), CHECKED), options, log), end - time.monotonic())
            return
        checks = [job for job in _checks(run) if _wanted(job.part, options)]
        _together(run, checks, options, log, end - 0.6 * options.seconds)
        for part in TIMES:
            left = end - time.monotonic()
            if _wanted(part, options) and left > 25:
                _finish(run, part, _start(Job(part), options, log), min(left, 0.25 * options.seconds))


def _wanted(part: str, options: argparse.Namespace) -> bool:
    return not options.only or any(part.startswith(o) for o in options.only)


def _checks(run: Run) -> list[Job]:
    shorts = [name.rsplit(".", 1)[-1] for name in run.packages]
    ranks = [FIRST.index(short) if short in FIRST else len(FIRST) for short in shorts]
    ordered = sorted(zip(ranks, run.packages, strict=True))
    jobs = [Job(f"correct:{name}", (), CHECKED) for _, name in ordered]
    jobs += [Job(f"hazard:{kind}") for kind in HAZARDS]
    jobs.append(Job("functions"))
    places = (str(p) for p in sorted(Path("/usr/local").glob("cuda*/bin/compute-sanitizer")))
    tool = shutil.which("compute-sanitizer") or next(places, None)
    for kind in ("memcheck", "racecheck", "synccheck") if tool else ():
        prefix = (str(tool), "--tool", kind, "--error-exitcode", "9", "--print-limit", "5",
                  "--kernel-name", "kernel_substring=kernel")  # fmt: skip
        jobs.append(Job(f"sanitizer:{kind}", prefix, SANITIZED if kind == "memcheck" else {}))
    return jobs


def _start(job: Job, options: argparse.Namespace, log: IO[str]) -> subprocess.Popen[bytes]:
    command = [*job.prefix, sys.executable, "-m", "benchmarks.device", "--part", job.part, "--out", options.out]
    command += ["--packages", *options.packages, *(["--names", *options.names] if options.names else [])]
    command += ["--smoke"] if options.smoke else []
    return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **job.environment})


def _finish(run: Run, part: str, process: subprocess.Popen[bytes], seconds: float) -> None:
    """Wait so long; a part that fails, or does not end, is a failure of its own."""
    try:
        code: object = process.wait(timeout=max(0.1, seconds))
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        code = "time ran out"
    if code != 0:
        run.emit("process", part, ok=False, error=str(code))


def _together(run: Run, jobs: list[Job], options: argparse.Namespace, log: IO[str], end: float) -> None:
    """A few at a time, until ``end``."""
    waiting, running = list(jobs), []  # type: ignore[var-annotated]
    while (waiting and time.monotonic() < end) or running:
        while waiting and len(running) < options.together and time.monotonic() < end:
            job = waiting.pop(0)
            running.append((job, _start(job, options, log)))
        time.sleep(0.2)
        for job, process in list(running):
            if process.poll() is not None or time.monotonic() > end:
                _finish(run, job.part, process, 0.1)
                running.remove((job, process))
    for job in waiting:
        run.emit("process", job.part, ok=False, error="no time was left to start it")
