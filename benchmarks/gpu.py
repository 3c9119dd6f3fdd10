"""What the Triton kernels take of a GPU, counted on a machine without one: ``python -m benchmarks.gpu``.

Bytes a site and launches of a call come from Triton's interpreter (``traffic``); registers, stack, shared memory and
barriers of its kernels from a compile ahead of time for sm_90, at the settings of the launch. Beside them what inductor
says that its code for the same function moves: its own estimate, of the kernels that its Triton backend fuses. Nothing
here is a time. The table stands in GPU.md.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import races
from benchmarks.machine import describe
from benchmarks.races import Race
from benchmarks.table import markdown

PAGE = Path(__file__).parent / "GPU.md"
STEPS = (2, 8)


@dataclass(frozen=True)
class Row:
    """A line-up.

    race    what is counted, of as few planes as show all: two samples where components of a readout lie apart
    peers   the same of (2, 8) planes, which inductor is given
    """

    name: str
    race: Race
    peers: Race

    @property
    def sites(self) -> tuple[int, int]:
        """Numbers of a field of both."""
        first, second = (math.prod(race.inputs["phi"].shape) for race in (self.race, self.peers))
        return first, second


@dataclass(frozen=True)
class Counted:
    """Bytes a site of a call, its launches, and the kernels of them as ``traffic.Launch`` has them."""

    bytes: float
    launches: int
    kernels: tuple[dict[str, Any], ...]


def rows() -> Iterator[Row]:
    for side in (16, 32, 128):
        for steps in STEPS if side < 128 else STEPS[:1]:
            for backward in (False, True):
                name = f"uncoupled, K = {steps}"
                yield _row(
                    name, side, (1, 1), partial(races.evolve, "", n=side, steps=steps, backward=backward, targets=())
                )
    for side in (16, 32, 64):
        for steps in STEPS if side < 64 else STEPS[:1]:
            name = f"coupled with its readout, K = {steps}"
            yield _row(name, side, (2, races.BLOCK), partial(races.block, n=side, steps=steps, targets=()))
    for backward in (False, True):
        yield _row("readout of six components", 32, (2, 1), partial(races.readout, n=32, backward=backward, targets=()))


def _row(name: str, side: int, planes: tuple[int, int], race: Callable[..., Race]) -> Row:
    one = race(b=planes[0], c=planes[1])
    which = "forward+backward" if one.backward else "forward"
    return Row(f"{name} | {side} x {side} | {which}", one, race(b=2, c=8))


def counted(chosen: Iterable[Row], folder: Path) -> dict[str, Counted]:
    """Name of a row -> what its call moves, by the packages in ``folder``. Triton has to interpret."""
    from benchmarks import metrigen_side
    from benchmarks.traffic import traffic

    metrigen_side.build(folder)
    found = {}
    for row in chosen:
        call = metrigen_side._contender(row.race, metrigen_side.layer(row.race, "triton"), "triton", "cpu").call
        call()
        moved = traffic(call)
        print(f"{row.name}: {moved.bytes / row.sites[0]:.1f}", file=sys.stderr, flush=True)
        found[row.name] = Counted(moved.bytes / row.sites[0], moved.count, tuple(map(asdict, moved.launches)))
    return found


def by_inductor(chosen: Iterable[Row]) -> dict[str, tuple[float, int]]:
    """Name of a row -> bytes a site that inductor says its code moves, and its kernels, with neighbours by torch.roll.

    Neither depends on the plane: the first of a name stands for all.
    """
    import torch

    from benchmarks.inductor import Estimate
    from benchmarks.peers.torch_eager import SHIFTS, function
    from benchmarks.torch_driver import contender, tensors

    found: dict[tuple[str, bool], tuple[float, int]] = {}
    every = {}
    for row in chosen:
        key = (row.name.split(" | ")[0], row.race.backward)
        if key not in found:
            torch.compiler.reset()
            estimate, race, given = Estimate(), row.peers, tensors(row.peers, "cpu")
            run = estimate.compiled(function(race, SHIFTS["roll"]))
            leaves = tuple(given[name] for name in race.wanted)
            contender(race, "inductor", "inductor", partial(run, given), leaves, "cpu").call()
            found[key] = estimate.bytes / row.sites[1], estimate.kernels
        every[row.name] = found[key]
    return every


def compiled(launch: dict[str, Any]) -> tuple[int, int, int, int]:
    """Registers and bytes of stack of a thread, bytes of shared memory and barriers of a kernel for sm_90."""
    import importlib

    import triton
    from triton.compiler import ASTSource

    from benchmarks.device.ahead import TARGETS, resources

    kernel = getattr(importlib.import_module(launch["module"]), launch["kernel"])
    sizes = {n: getattr(triton.language, {"fp32": "float32", "fp64": "float64"}.get(x, x)) if isinstance(x, str) else x
             for n, x in launch["sizes"].items()}  # fmt: skip
    signature = {n: "constexpr" if n in sizes else launch["types"][n] for n in kernel.arg_names}
    aligned = {(at,): [["tt.divisibility", 16]] for at, n in enumerate(kernel.arg_names) if signature[n][0] == "*"}
    made = triton.compile(ASTSource(kernel, signature, sizes, aligned), target=TARGETS["sm_90"],
                          options=launch["options"])  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        registers, stack = resources(made.asm["cubin"], Path(folder))
    return registers, stack, made.metadata.shared, made.asm["ptx"].count("bar.sync")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default="", help="rows whose name has this text; the page is not written")
    parser.add_argument("--count", nargs=2, type=Path, metavar=("FOLDER", "FILE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    chosen = [row for row in rows() if given.only in row.name]
    if given.count:  # the process that interprets
        folder, out = given.count
        out.write_text(json.dumps({name: asdict(one) for name, one in counted(chosen, folder).items()}))
        return 0
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        found = interpreted(Path(name), given.only)
        sys.path.insert(0, name)
        text = page(found, by_inductor(chosen))
    print(text)
    if not given.only:
        seconds = f"`python -m benchmarks.gpu`, {time.monotonic() - began:.0f} s on {time.strftime('%Y-%m-%d')}."
        PAGE.write_text(f"{text}\n{seconds}\n\n{_machine()}\n", encoding="utf-8")
    return 0


def interpreted(folder: Path, only: str) -> dict[str, dict[str, Any]]:
    """``counted`` in a process where Triton interprets; the packages stay in ``folder``."""
    out = folder / "counted.json"
    command = [sys.executable, "-m", "benchmarks.gpu", "--only", only, "--count", str(folder), str(out)]
    subprocess.run(command, check=True, env={**os.environ, "TRITON_INTERPRET": "1"})
    found: dict[str, dict[str, Any]] = json.loads(out.read_text())
    return found


def page(found: dict[str, dict[str, Any]], inductor: dict[str, tuple[float, int]]) -> str:
    """Both tables."""
    moved = [
        [*name.split(" | "), f"{one['bytes']:.1f}", str(one["launches"]), f"{inductor[name][0]:.1f}",
         str(inductor[name][1]), f"{one['bytes'] / inductor[name][0]:.2f}"]
        for name, one in found.items()
    ]  # fmt: skip
    header = ("system", "plane", "pass", "bytes a site", "launches", "inductor's", "its kernels", "ours / inductor's")
    return (
        f"# The kernels on a GPU, counted without one\n\n{__doc__.split('``.', 1)[1].strip()}\n\n"
        f"Float32. Launches are those of kernels and of operations of PyTorch beside them, most of which prepare a\n"
        f"coefficient of a channel.\n\n{markdown(header, moved)}\n\n{_kernels(found)}\n"
    )


def _kernels(found: dict[str, dict[str, Any]]) -> str:
    lines: dict[tuple[str, ...], list[str]] = {}
    for name, one in found.items():
        for launch in one["kernels"]:
            key = (name.split(",")[0].split(" |")[0], name.split(" | ")[1], launch["kernel"], str(launch["sizes"]))
            if key not in lines:
                numbers = compiled(launch)
                lines[key] = [*key[:3], str(launch["options"]["num_warps"]), *map(str, numbers)]
    header = ("system", "plane", "kernel", "warps", "registers", "stack", "shared memory", "barriers")
    return markdown(header, _distinct(lines.values()))


def _distinct(lines: Iterable[Sequence[str]]) -> list[list[str]]:
    """Each once: kernels of other numbers of steps are the same."""
    return [list(line) for line in dict.fromkeys(map(tuple, lines))]


def _machine() -> str:
    import torch
    import triton

    versions = (f"torch {torch.__version__}", f"triton {triton.__version__}")
    return markdown(("", "machine"), [list(row) for row in describe(versions, 1)])


if __name__ == "__main__":
    sys.exit(main())
