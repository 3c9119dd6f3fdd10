"""Compiling specs on the command line: a line a stage as it goes, the laws at the end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metrigen.cli.session import Session, law_values
from metrigen.spec.files import read, shown_path

if TYPE_CHECKING:
    from metrigen.build import Package
    from metrigen.compiler import Compiled, Stage


def compile_all(session: Session, files: Sequence[Path], strict: bool, out: Path) -> list[Compiled]:
    """Compile every file, whose package belongs in ``out``; its warnings are printed, and under ``strict`` refused once
    all were seen."""
    for path in files:
        read(path, shown_path(path))  # refused before SymPy is imported
    compiled = [_compile(session, path, out) for path in files]
    session.judge([warned for one in compiled for warned in one.warnings], strict)
    return compiled


def _compile(session: Session, path: Path, out: Path) -> Compiled:
    session.tell(shown_path(path), style="bold")
    from metrigen import build as b
    from metrigen import console as c

    with c.patience() as waiting:

        def finished(stage: Stage) -> None:
            waiting.end()
            session.tell(c.stage_line(stage))

        compiled = b.compile_file(
            path,
            on_stage=finished,
            on_begin=waiting.begin,
            out=out,
        )
    session.tell()
    session.tell(c.laws_table(compiled.laws))
    session.tell()
    c.print_warnings(compiled.warnings)
    return compiled


def compiled_values(one: Compiled) -> dict[str, Any]:
    """What was found out about a spec."""
    stages = {stage.name: round(stage.seconds, 4) for stage in one.stages}
    return {"name": one.spec.system.name, "spec": one.spec.path, "sha256": one.spec.sha256, "seconds": stages,
            "laws": law_values(one.laws)}  # fmt: skip


def show_drift(session: Session, package: Package, shown: Path, diff: bool) -> dict[str, Any]:
    """Compare a package with the folder ``shown``, say how they differ, and the same as values."""
    from metrigen import build as b
    from metrigen import console as c
    from metrigen.drift import summary

    found = b.differences(package)
    if not found:
        return {"package": str(shown), "state": "up to date"}
    drift = summary(package.files, package.destination, found)
    session.say(f"{shown} is {drift.state}")
    for line in drift.lines:
        session.say(f"  {line}")
    if diff:
        session.say(c.difference_lines(found))
    values = drift.values() | ({"diff": [str(d) for d in found]} if diff else {})
    return {"package": str(shown), "state": drift.state, "drift": values}
