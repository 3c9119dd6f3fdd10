"""RESULTS.md: the machine, the table, costs, memory, and what was left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.bandwidth import Bandwidth
from benchmarks.costs import BUILD_TARGET, FIRST_TARGET, KERNELS_TARGET, Cost, First, Memory
from benchmarks.table import HEADER, Row, cells, markdown


@dataclass(frozen=True)
class Table:
    """The rows of one device, and the bandwidth that their floors are made of."""

    device: str
    bandwidth: Bandwidth
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Report:
    """Everything that a run found."""

    machine: tuple[tuple[str, str], ...]
    tables: tuple[Table, ...]
    gpu: str | None
    costs: tuple[Cost, ...] = ()
    first: tuple[First, ...] = ()
    memory: tuple[Memory, ...] = ()
    memory_race: str = ""
    skipped: tuple[str, ...] = ()
    remarks: tuple[str, ...] = field(default=())


METHOD = """\
Every contender computes the same numbers in float32, checked against metrigen's torch reference before it is timed
(largest difference relative to the largest value at most 1e-4); one that differs is reported as wrong and not timed.
Contenders take turns, round-robin, with one untimed call before each timed one; the table shows medians. The C library
is told to keep freed memory, for all of them: fresh pages would cost more than the work of some. `cold` is the
first call, all caches empty: tracing, code generation and compilers included. `best peer / this` above 1 means faster
than every peer. The floor is the bytes that must move, each input read once and each output written once, over
the streaming bandwidth measured in the same run. Peers without gradients run forward only. The 3x3 convolution computes
something else; it is the layer that a block with its two 1x1 mixes would stand in for, and has as many parameters."""


def render(report: Report) -> str:
    """The page as Markdown, one newline at its end."""
    parts = [
        "# Benchmarks",
        "Written by `python -m benchmarks`; do not edit. The numbers belong to this machine:",
        markdown(("", "machine"), [list(row) for row in report.machine]),
        METHOD,
    ]
    for table in report.tables:
        rate = table.bandwidth.bytes_per_second / 1e9
        parts += [
            f"## {table.device}",
            f"Streaming bandwidth {rate:.1f} GB/s ({table.bandwidth.how}); `bandwidth` is the fraction of it reached.",
            markdown(HEADER, [cells(row) for row in table.rows]),
            "Shapes: " + "; ".join(dict.fromkeys(map(_shape, table.rows))) + ".",
        ]
    if report.gpu is None:
        parts.append("There is no GPU on this machine: nothing is claimed about one.")
    parts.append("![medians](results.svg)")
    if report.remarks:
        parts += ["## Remarks", "\n".join(f"- {line}" for line in report.remarks)]
    if report.costs:
        parts += ["## Build, import, kernels", _cost_table(report.costs)]
    if report.first:
        rows = [(one.command, f"{one.cold:.2f} s", judged(one.warm, FIRST_TARGET)) for one in report.first]
        parts.append(markdown(("command", "first byte, nothing compiled", "first byte"), rows))
    if report.memory:
        parts += [
            "## Peak memory",
            f"{report.memory_race}, beyond the inputs, in a fresh process after two warm calls.",
            markdown(("contender", "MiB"), [(m.contender, _mib(m)) for m in report.memory]),
        ]
    if report.skipped:
        parts += ["## Left out", "\n".join(f"- {line}" for line in report.skipped)]
    return "\n\n".join(parts) + "\n"


def _shape(row: Row) -> str:
    return f"{row.race.split(' forward')[0]} {row.shape}"


def _mib(one: Memory) -> str:
    return one.why if one.peak is None else f"{one.peak / 2**20:.1f}"


def judged(seconds: float, limit: float) -> str:
    """Seconds beside their target."""
    return f"{seconds:.2f} s ({'met' if seconds <= limit else 'not met'}: {limit:g} s)"


def _cost_table(found: Sequence[Cost]) -> str:
    lines = [
        (
            one.package,
            judged(one.build, BUILD_TARGET),
            f"{1e3 * one.imported:.0f} ms",
            one.kernels if isinstance(one.kernels, str) else judged(one.kernels, KERNELS_TARGET),
        )
        for one in found
    ]
    return markdown(("spec", "cold build", "import after torch", "compile of the CPU kernels"), lines)
