"""What needs a fresh process: the peak memory of one contender, the first call of a package. Prints one JSON object.

python -m benchmarks.child memory FOLDER RACE CONTENDER QUICK THREADS
python -m benchmarks.child kernels FOLDER PACKAGE BACKEND
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import inspect
import json
import resource
import sys
from pathlib import Path
from typing import Any

from benchmarks.timing import clock

CLEAR = Path("/proc/self/clear_refs")
STATUS = Path("/proc/self/status")


def resident(field: str) -> int:
    """Bytes of VmRSS or VmHWM."""
    line = next(x for x in STATUS.read_text().splitlines() if x.startswith(field))
    return 1024 * int(line.split()[1])


def peak(call: Any) -> int:
    """Bytes that a warm call needs on top of what is resident before it.

    Linux lets a process reset its high-water mark; elsewhere the mark of the first call is taken.
    """
    if not CLEAR.exists():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        call()
        return 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    for _ in range(2):
        call()
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    before = resident("VmRSS")
    CLEAR.write_text("5")
    call()
    return resident("VmHWM") - before


def memory(folder: str, race_name: str, contender_name: str, quick: str, threads: str) -> dict[str, Any]:
    """Peak memory of one contender of one race."""
    import torch

    from benchmarks import metrigen_side, peers
    from benchmarks.races import races

    torch.set_num_threads(int(threads))
    sys.path.insert(0, folder)
    race = next(r for r in races(quick == "quick", int(threads)) if r.name == race_name)
    wanted = [p for p in peers.MODULES if p.startswith("torch_")]
    modules = (metrigen_side, *(importlib.import_module(f"benchmarks.peers.{name}") for name in wanted))
    for module in modules:
        for one in module.contenders(race, "cpu"):
            if one.name == contender_name:
                return {"bytes": peak(one.call)}
    return {"error": "no such contender"}


def kernels(folder: str, package: str, backend: str) -> dict[str, Any]:
    """Seconds of the first call beyond a second one, with an empty cache: what its kernels take to compile."""
    import torch
    import torch._dynamo  # torch imports it at the first call of any custom op: no part of compiling a kernel

    sys.path.insert(0, folder)
    module = importlib.import_module(package)
    cls = getattr(module, next(name for name in module.__all__ if not name.endswith("State")))
    try:
        layer = cls(8, backend=backend)
    except ValueError as error:
        return {"error": str(error).split(";")[0]}
    needed = [p for p in inspect.signature(layer.forward).parameters.values() if p.default is p.empty]
    torch.manual_seed(0)
    shape = (2, 8, 32, 32) if hasattr(layer, "steps") or hasattr(layer, "solver") else (2, 8, 32)
    given = {p.name: torch.rand(shape) + 0.5 for p in needed}
    try:
        first, _ = clock(lambda: layer(**given))
        second, _ = clock(lambda: layer(**given))
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {"seconds": max(first - second, 0.0)}


if __name__ == "__main__":
    print(json.dumps(memory(*sys.argv[2:]) if sys.argv[1] == "memory" else kernels(*sys.argv[2:])))
