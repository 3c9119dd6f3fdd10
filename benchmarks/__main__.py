"""``python -m benchmarks``: run the races, print the table, write RESULTS.md and results.svg."""

from __future__ import annotations

import os
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trainers.memory import keep_freed_memory

if TYPE_CHECKING:
    from benchmarks.contender import Peer
    from benchmarks.races import Race
    from benchmarks.report import Report, Table

HERE = Path(__file__).parent
app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def main(
    quick: Annotated[bool, typer.Option("--quick", help="Tiny shapes, PyTorch alone, seconds; no result.")] = False,
    only: Annotated[list[str] | None, typer.Option("--only", help="Races whose name starts so, as W1 or W3.")] = None,
    peers: Annotated[str, typer.Option("--peers", help="Names of peer modules with commas, all, or none.")] = "all",
    rounds: Annotated[int, typer.Option("--rounds", help="Rounds a race, at least 3.", min=3)] = 11,
    seconds: Annotated[float, typer.Option("--seconds", help="Stop a race early after so long.")] = 60.0,
    threads: Annotated[int, typer.Option("--threads", help="Threads of every contender.", min=1)] = 2,
    costs: Annotated[bool, typer.Option("--costs/--no-costs", help="Builds, imports, kernels, memory.")] = True,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the page (benchmarks/ for a full run).")] = None,
) -> None:
    """Side by side with what a user would take instead."""
    with tempfile.TemporaryDirectory(prefix="metrigen-benchmarks-") as name:
        work = Path(name)
        environment(work, threads)
        names = "torch_eager" if quick and peers == "all" else peers
        report = measure(work, quick, tuple(only or ()), names, rounds, seconds, threads, costs)
        partial = quick or bool(only) or peers != "all" or not costs
        folder = out if out is not None else None if partial else HERE
        if folder is not None:
            write(report, folder)
        elif partial:
            typer.echo("a partial run: nothing written; --out FOLDER writes it there")


def environment(work: Path, threads: int) -> None:
    """Threads for every runtime, caches that start empty, and memory that is kept; before any of them is imported."""
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[variable] = str(threads)
    for variable, folder in (("TMPDIR", "tmp"), ("XDG_CACHE_HOME", "cache"), ("TORCHINDUCTOR_CACHE_DIR", "inductor")):
        (work / folder).mkdir()
        os.environ[variable] = str(work / folder)
    tempfile.tempdir = None
    os.environ["DEVITO_LOGGING"] = "ERROR"
    # Inductor warns of its own code, once a graph.
    warnings.filterwarnings("ignore", category=FutureWarning, module="torch.*")
    if hasattr(os, "sched_setaffinity"):
        # JAX takes as many threads as it finds cores.
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    keep_freed_memory()


def measure(
    work: Path, quick: bool, only: tuple[str, ...], names: str, rounds: int, seconds: float, threads: int, costs: bool
) -> Report:
    """Everything that the options ask for."""
    import torch

    from benchmarks import machine, metrigen_side
    from benchmarks import peers as all_peers
    from benchmarks.costs import ROOT, first_outputs, memory
    from benchmarks.costs import costs as costs_of
    from benchmarks.races import races
    from benchmarks.report import Report

    torch.set_num_threads(threads)
    packages = work / "packages"
    metrigen_side.build(packages)
    found, skipped = all_peers.find(names)
    chosen = tuple(r for r in races(quick, threads) if not only or r.name.startswith(only))
    gpu = machine.gpu()
    tables = [
        _table(chosen, found, device, work, threads, rounds, seconds, quick)
        for device in ("cpu", *(("cuda",) if gpu else ()))
    ]
    layer = [r for r in chosen if r.kind == "evolve" and r.backward]
    measured = [row.contender for row in tables[0].rows if layer and row.race == layer[0].name and row.median]
    kept = [name for name in measured if name.startswith(("metrigen", "torch"))]
    specs = sorted((ROOT / "specs").glob("*.py"))
    return Report(
        machine=machine.describe(tuple(dict.fromkeys(peer.version() for peer in found)), threads),
        tables=tuple(tables),
        gpu=gpu,
        costs=costs_of(specs[:1] if quick else specs, 1 if quick else 3) if costs else (),
        first=first_outputs(1 if quick else 5) if costs else (),
        memory=memory(layer[0], kept, packages, quick, threads) if costs and layer else (),
        memory_race=layer[0].name + " " + layer[0].shape if layer else "",
        skipped=skipped,
    )


def _table(
    chosen: tuple[Race, ...],
    peers: tuple[Peer, ...],
    device: str,
    work: Path,
    threads: int,
    rounds: int,
    seconds: float,
    quick: bool,
) -> Table:
    """Bandwidth and races of one device, printed as they end."""
    from benchmarks import bandwidth, machine, metrigen_side, runner
    from benchmarks.report import Table
    from benchmarks.table import Row, rows

    speed = bandwidth.measure(work, threads, device, 1 << 18 if quick else bandwidth.SITES)
    lines: list[Row] = []
    for race in chosen:
        reference = metrigen_side.contenders(race, device)[0]
        makers = (metrigen_side.contenders, *(peer.contenders for peer in peers if race.kind in peer.KINDS))
        results = runner.run(race, reference, makers, device, rounds, seconds, typer.echo)
        note = runner.note(race, speed, machine.last_cache())
        lines += rows(race, results, speed.seconds(race.moved), note)
        runner.settle(device)
    title = f"CPU, {threads} threads" if device == "cpu" else str(machine.gpu())
    table = Table(title, speed, tuple(lines))
    show(table)
    return table


def show(table: Table) -> None:
    """The table on the screen, then its targets and notes."""
    from rich.console import Console
    from rich.table import Table as Screen

    from benchmarks.table import HEADER, SCREEN, cells

    screen = Screen(title=f"{table.device}: {table.bandwidth.bytes_per_second / 1e9:.1f} GB/s ({table.bandwidth.how})")
    for column in HEADER[:SCREEN]:
        screen.add_column(column, justify="left" if column in ("workload", "contender", "gradients") else "right")
    for row in table.rows:
        screen.add_row(*cells(row)[:SCREEN])
    console = Console()
    # Output that goes into a file is as wide as the table.
    console.width = max(console.width, 80 if console.is_terminal else 160)
    console.print(screen)
    for row in table.rows:
        for line in (*map(str, row.verdicts), row.note):
            if line:
                console.print(f"{row.race}, {row.contender}: {line}", soft_wrap=True, highlight=False)


def write(report: Report, folder: Path) -> None:
    """RESULTS.md and results.svg."""
    from benchmarks.plot import write as draw
    from benchmarks.report import render

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "RESULTS.md").write_text(render(report), encoding="utf-8")
    draw([row for table in report.tables[:1] for row in table.rows], folder / "results.svg")
    typer.echo(f"wrote {folder / 'RESULTS.md'} and {folder / 'results.svg'}")


if __name__ == "__main__":
    app(prog_name="python -m benchmarks")
