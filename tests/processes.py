"""Processes of their own that have what is slow to import: forks of a server that imports PyTorch and the like once.

A trainer takes two seconds of work and eight of imports, and a package is imported in a quarter of a second where
PyTorch and its compiler are there. What a fork prints, writes and ends with is what a process from nothing does:
descriptors, working folder, arguments and environment are its own. The long run, and a machine that cannot fork,
begins from nothing.
"""

from __future__ import annotations

import atexit
import faulthandler
import multiprocessing
import os
import runpy
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from multiprocessing import connection
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

from tests.lengths import LONG

ROOT = Path(__file__).resolve().parents[1]
# SymPy's caches have a length that is read where SymPy is imported.
IMPORTED = ("metrigen.caches", "sympy", "networkx", "jinja2", "typer", "rich.progress", "torch", "lightning_fabric",
            "matplotlib.pyplot", "metrigen.build")  # fmt: skip
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
    """``python words`` in a process of its own, words that begin with -m, -c or a file, or with -W before that; a
    variable that is None is taken out of its environment."""
    given = tuple(map(str, words))
    if fork:
        return _forked([Call(given, _changed(environment), cwd)])
    return subprocess.run([sys.executable, *given], cwd=cwd, env=_changed(environment), capture_output=True, text=True,
                          timeout=SECONDS, check=False)  # fmt: skip


def together(count: int, *words: object, **environment: str) -> Done:
    """``python words`` in ``count`` processes at once: what all printed, and the first exit code that is not 0."""
    given = tuple(map(str, words))
    if FORKS:
        return _forked([Call(given, _changed(environment), ROOT)] * count)
    running = [subprocess.Popen([sys.executable, *given], cwd=ROOT, env=_changed(environment), text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(count)]  # fmt: skip
    out, err = zip(*(process.communicate(timeout=SECONDS) for process in running), strict=True)
    return Done(given, next(filter(None, (p.returncode for p in running)), 0), "".join(out), "".join(err))


def ranks(count: int, name: str, *arguments: object, **environment: str) -> Done:
    """``python -m name arguments`` in ``count`` processes that meet, with the environment that torchrun gives."""
    if not FORKS:
        launcher = ("torch.distributed.run", "--standalone", "--nproc-per-node", count, "-m", name)
        return python("-m", *launcher, *arguments, **environment)
    import torch.distributed

    # This process holds the store, as torchrun's agent does: no port that another takes before a rank listens on it.
    store = torch.distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    same = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port), "TORCHELASTIC_USE_AGENT_STORE": "True",
            "TORCHELASTIC_RESTART_COUNT": "0", "TORCHELASTIC_RUN_ID": "none", "GLOO_SOCKET_IFNAME": _loopback(),
            "WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count), "GROUP_RANK": "0", **environment}  # fmt: skip
    own = [_changed({**same, "RANK": str(rank), "LOCAL_RANK": str(rank)}) for rank in range(count)]
    return _forked([Call(("-m", name, *map(str, arguments)), environment, ROOT) for environment in own])


def _loopback() -> str:
    """The interface of this machine to itself: ranks meet whatever the name of the machine stands for."""
    return next(name for _, name in socket.if_nameindex() if name.startswith("lo"))


def leave() -> None:
    """End a rank without taking its group apart: that joins gloo's threads with Python's lock in hand, which one of
    them may be waiting for, to drop the last message."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


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
            processes.append(context.Process(target=_work, args=(call, printed, 0.9 * SECONDS)))
            processes[-1].start()
        try:
            stuck = not _ended(processes)
            codes = [process.exitcode for process in processes]
        finally:
            for process in processes:
                process.kill()
                process.join()
        out, err = (path.read_text(encoding="utf-8", errors="replace") for path in printed)
    if stuck:
        raise AssertionError(f"{calls[0].words} did not end in {SECONDS} s; what it printed:\n{out}{err}")
    code = next((code for code in codes if code), 0)
    return subprocess.CompletedProcess(calls[0].words, code or 0, out, err)


def _ended(processes: list[BaseProcess]) -> bool:
    """Whether all end in time. As torchrun does, nobody waits for the others of one that failed."""
    end = time.monotonic() + SECONDS
    running = list(processes)
    while running and not any(process.exitcode for process in processes):
        if not connection.wait([process.sentinel for process in running], end - time.monotonic()):
            return False
        running = [process for process in running if process.exitcode is None]
    return True


def _work(call: Call, printed: list[Path], patience: float) -> None:
    """In the fork: become ``python words``."""
    for number, path in enumerate(printed, 1):
        opened = os.open(path, os.O_WRONLY | os.O_APPEND)
        os.dup2(opened, number)
        os.close(opened)
    faulthandler.dump_traceback_later(patience)  # where it stands, should it not end
    os.environ.clear()
    os.environ.update(call.environment)
    os.chdir(call.cwd)
    words = list(call.words)
    while words[0] == "-W":
        warnings.simplefilter(words[1])  # type: ignore[arg-type]
        del words[:2]
    first, *rest = words
    module, text = first == "-m", first == "-c"
    sys.argv = ["-c", *rest[1:]] if text else rest if module else words
    path = [str(call.cwd if module or text else Path(first).resolve().parent)]
    sys.path[:0] = path + [entry for entry in call.environment.get("PYTHONPATH", "").split(os.pathsep) if entry]
    try:
        if module:
            runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
        elif text:
            sys.modules["__main__"] = ModuleType("__main__")
            exec(compile(rest[0], "<string>", "exec"), sys.modules["__main__"].__dict__)
        else:
            runpy.run_path(first, run_name="__main__")
    finally:
        atexit._run_exitfuncs()
