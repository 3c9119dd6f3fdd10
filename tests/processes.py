"""Processes of their own that have what is slow to import: forks of a server that imports PyTorch and the like once.

A trainer takes two seconds of work and eight of imports. What a fork prints, writes and ends with is what a process
from nothing does: descriptors, working folder, arguments and environment are its own. The long run, and a machine
that cannot fork, begins from nothing.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import runpy
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from unittest.mock import patch

from tests.lengths import LONG

ROOT = Path(__file__).resolve().parents[1]
# SymPy's caches have a length that is read where SymPy is imported.
IMPORTED = ("metrigen.caches", "sympy", "networkx", "jinja2", "typer", "rich.progress", "torch", "lightning_fabric",
            "matplotlib.pyplot")  # fmt: skip
FORKS = not LONG and "forkserver" in multiprocessing.get_all_start_methods()
SECONDS = 300.0  # that a process may take
Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Call:
    """What ``python words`` is in a folder, with the whole environment."""

    words: tuple[str, ...]
    environment: Mapping[str, str]
    cwd: Path


def python(*words: object, cwd: Path = ROOT, fork: bool = FORKS, **environment: str | None) -> Done:
    """``python words`` in a process of its own, words that begin with -m or with a file; a variable that is None is
    taken out of its environment."""
    given = tuple(map(str, words))
    if fork:
        return _forked([Call(given, _changed(environment), cwd)])
    return subprocess.run([sys.executable, *given], cwd=cwd, env=_changed(environment), capture_output=True, text=True,
                          timeout=SECONDS, check=False)  # fmt: skip


def ranks(count: int, name: str, *arguments: object, **environment: str) -> Done:
    """``python -m name arguments`` in ``count`` processes that meet, with the environment that torchrun gives."""
    if not FORKS:
        launcher = ("torch.distributed.run", "--standalone", "--nproc-per-node", count, "-m", name)
        return python("-m", *launcher, *arguments, **environment)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = str(found.getsockname()[1])
    same = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count),
            "GROUP_RANK": "0", "TORCHELASTIC_RUN_ID": "none", **environment}  # fmt: skip
    own = [_changed({**same, "RANK": str(rank), "LOCAL_RANK": str(rank)}) for rank in range(count)]
    return _forked([Call(("-m", name, *map(str, arguments)), environment, ROOT) for environment in own])


def _changed(environment: Mapping[str, str | None]) -> dict[str, str]:
    """That of this process with changes."""
    return {name: value for name, value in {**os.environ, **environment}.items() if value is not None}


@cache
def _server() -> BaseContext:
    """What makes forks of a server that has imported what is slow to import."""
    from multiprocessing import forkserver  # not on every system

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(IMPORTED))
    with patch.dict(os.environ, {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}):
        forkserver.ensure_running()
    return context


def _forked(calls: list[Call]) -> Done:
    """What all of them printed, and the first exit code that is not 0."""
    context = _server()
    with tempfile.TemporaryDirectory() as folder:
        printed = [Path(folder, name) for name in ("stdout", "stderr")]
        for path in printed:
            path.touch()
        processes: list[BaseProcess] = []
        for call in calls:
            processes.append(context.Process(target=_work, args=(call, printed)))
            processes[-1].start()
        end = time.monotonic() + SECONDS
        try:
            for process in processes:
                process.join(max(0.0, end - time.monotonic()))
                if process.exitcode is None:
                    raise subprocess.TimeoutExpired(calls[0].words, SECONDS, *(path.read_bytes() for path in printed))
        finally:
            for process in processes:
                process.kill()
                process.join()
        codes = [process.exitcode for process in processes]
        out, err = (path.read_text(encoding="utf-8", errors="replace") for path in printed)
    code = next((code for code in codes if code), 0)
    return subprocess.CompletedProcess(calls[0].words, code or 0, out, err)


def _work(call: Call, printed: list[Path]) -> None:
    """In the fork: become ``python words``."""
    for number, path in enumerate(printed, 1):
        opened = os.open(path, os.O_WRONLY | os.O_APPEND)
        os.dup2(opened, number)
        os.close(opened)
    os.environ.clear()
    os.environ.update(call.environment)
    os.chdir(call.cwd)
    first, *rest = call.words
    sys.argv = rest if first == "-m" else [first, *rest]
    sys.path.insert(0, str(call.cwd if first == "-m" else Path(first).resolve().parent))
    try:
        if first == "-m":
            runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(first, run_name="__main__")
    finally:
        atexit._run_exitfuncs()
