"""``metrigen build``."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Annotated

import typer

from metrigen.cli.ahead import Wanted, kernels_wanted, written
from metrigen.cli.compiling import compile_all, compiled_values, show_drift
from metrigen.cli.exits import DONE, DRIFT
from metrigen.cli.options import GENERATED, Debug, Json, Out, Quiet, Specs, Strict
from metrigen.cli.session import Session, session
from metrigen.spec.files import spec_files

EXAMPLES = """
    metrigen build specs/cifar.py            write generated/cifar
    metrigen build specs/ --out packages     all specs of a folder, or none
    metrigen build specs/ --check            exit code 2 if one is stale
    metrigen build specs/ --check --diff     the same with a diff of every file
    metrigen build specs/maze.py --watch     again whenever the spec changes
    metrigen build specs/ --json --quiet     the result for a program
    metrigen build wave.py --compile --target x86-64-v3 --shape 8,16,32,32
    metrigen build wave.py --cpp --shape 8,16,32,32      for C++ processes
"""


def build(
    specs: Specs,
    out: Out = GENERATED,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit code 2 if a package is stale.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="With --check: print what differs.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Build again whenever a spec changes; Ctrl-C ends.")] = False,
    compiled: Annotated[bool, typer.Option("--compile", help="Put compiled CPU kernels into the packages.")] = False,
    cpp: Annotated[bool, typer.Option("--cpp", help="Add a library that registers the CPU operators in C++.")] = False,
    target: Annotated[
        str | None,
        typer.Option(help="With --compile, --cpp: what processors must have; default: this one's level."),
    ] = None,
    shape: Annotated[
        list[str] | None, typer.Option("--shape", help="With --compile, --cpp: B,C,*sites; may be repeated.")
    ] = None,
    dtype: Annotated[
        list[str] | None,
        typer.Option("--dtype", help="With --compile, --cpp: float32 (default), float64; may be repeated."),
    ] = None,
    strict: Strict = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Compile specs and write one package each, all of them or none."""
    if (compiled or cpp) and (check or watch):
        raise typer.BadParameter("--compile and --cpp go without --check and --watch")
    if not (compiled or cpp) and (target or shape or dtype):
        raise typer.BadParameter("--target, --shape and --dtype go with --compile or --cpp")
    if diff and not check:
        raise typer.BadParameter("--diff goes with --check")
    if watch and (check or as_json):
        raise typer.BadParameter("--watch goes without --check and --json")
    if watch:
        _watch(specs, out, strict, quiet, debug)
        return
    with session("build", as_json, quiet, debug) as s:
        if check:
            _check(s, specs, out, strict, diff)
        else:
            _write(s, specs, out, strict, kernels_wanted(compiled, cpp, target, shape, dtype))


def _write(session: Session, specs: list[Path], out: Path, strict: bool, wanted: Wanted | None = None) -> None:
    start = time.perf_counter()
    files, place = spec_files(specs), out.absolute()  # where they are now, before the first spec runs
    compiled = compile_all(session, files, strict, place)
    from metrigen import build as b

    packages = b.packages_of(compiled, place)
    rows = []
    for package, new in zip(packages, written(session, packages, wanted), strict=True):
        shown = out / package.destination.name
        session.tell(f"{'wrote    ' if new else 'unchanged'} {shown} ({len(package.files)} files)")
        state = {"package": str(shown), "files": len(package.files), "state": "wrote" if new else "unchanged"}
        rows.append({**compiled_values(package.compiled), **state})
    session.tell(f"in {time.perf_counter() - start:.2f} s")
    session.give(packages=rows)


def _watch(specs: list[Path], out: Path, strict: bool, quiet: bool, debug: bool) -> None:
    """Build, and again after every change, refused or not, until Ctrl-C."""
    from metrigen.cli.watching import stamps, wait

    try:
        while True:
            before = stamps(specs)
            with contextlib.suppress(typer.Exit), session("build", quiet=quiet, debug=debug) as s:
                _write(s, specs, out, strict)
            with session("build", quiet=quiet) as s:
                s.tell("waiting for a change; Ctrl-C ends")
                changed = wait(specs, before)
                s.tell(f"changed: {', '.join(file.name for file in changed)}")
    except KeyboardInterrupt:
        typer.echo("stopped", err=True)


def _check(session: Session, specs: list[Path], out: Path, strict: bool, diff: bool) -> None:
    start = time.perf_counter()
    files, place = spec_files(specs), out.absolute()
    compiled = compile_all(session, files, strict, place)
    from metrigen import build as b

    packages = b.packages_of(compiled, place)
    rows = [show_drift(session, package, out / package.destination.name, diff) for package in packages]
    stale = [row for row in rows if row["state"] != "up to date"]
    for row in rows:
        if row not in stale:
            session.tell(f"unchanged {row['package']}")
    if stale:
        shown = " ".join(str(path) for path in specs)
        if not diff:
            session.say("to see the files: the same with --diff")
        session.say(f"to fix: metrigen build {shown} --out {out}")
    session.tell(f"in {time.perf_counter() - start:.2f} s")
    values = [compiled_values(package.compiled) for package in packages]
    session.give(DRIFT if stale else DONE, packages=[{**v, **row} for v, row in zip(values, rows, strict=True)])
