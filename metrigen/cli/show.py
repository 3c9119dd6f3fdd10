"""``metrigen show``."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from metrigen.cli.options import Debug, Json, Quiet, Spec, Strict
from metrigen.cli.session import Session, law_values, session
from metrigen.cli.shapes import shape_of
from metrigen.spec.files import read, shown_path

if TYPE_CHECKING:
    from metrigen.package.report import Report

EXAMPLES = """
    metrigen show specs/maze.py                derivation, laws, limits
    metrigen show specs/maze.py --latex        Markdown with LaTeX
    metrigen show specs/cifar.py --html        one page: cifar.html
    metrigen show specs/cifar.py --cost --shape 32,64,32,32
    metrigen show specs/cifar.py --backends    who runs which operator
    metrigen show specs/cifar.py --json        for a program
"""


def show(
    spec: Spec,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Where --html writes; by default NAME.html.")
    ] = None,
    latex: Annotated[bool, typer.Option("--latex", help="Markdown with LaTeX formulas.")] = False,
    html: Annotated[bool, typer.Option("--html", help="Write one page: formulas, laws, stencils, plots.")] = False,
    cost: Annotated[bool, typer.Option("--cost", help="Operations, bytes, what is recomputed, the floor.")] = False,
    backends: Annotated[bool, typer.Option("--backends", help="Every operator on every backend.")] = False,
    shape: Annotated[str | None, typer.Option("--shape", metavar="B,C,H,W", help="Shape of the cost.")] = None,
    bandwidth: Annotated[
        float | None, typer.Option("--bandwidth", metavar="GB/s", help="Of the memory, for the cost; by default 20.")
    ] = None,
    strict: Strict = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Print the derivation: energies, brackets, equations, tensor, laws, stencils, limits."""
    sizes = shape_of(shape)
    memory = 20.0 if bandwidth is None else bandwidth
    if memory <= 0 or not math.isfinite(memory):
        raise typer.BadParameter("--bandwidth is a positive number of GB/s")
    for option, given in (("--shape", shape), ("--bandwidth", bandwidth)):
        if given is not None and not (cost or html):
            raise typer.BadParameter(f"{option} goes with --cost or --html")
    if sum((latex, html, cost, backends)) > 1:
        raise typer.BadParameter("--latex, --html, --cost and --backends exclude one another")
    if file is not None and not html:
        raise typer.BadParameter(f"{file}: only --html writes a file")
    with session("show", as_json, quiet, debug) as s:
        if backends:
            _backends(s, spec, strict)
            return
        told = "" if latex or html or cost else _heading(s, spec)
        report = _report(s, spec, strict)
        if latex:
            _latex(s, report)
        elif html:
            _html(s, report, file, sizes, memory)
        elif cost:
            _cost(s, report, sizes, memory)
        else:
            _derivation(s, report, told)


def _heading(session: Session, spec: Path) -> str:
    """The heading as the text of the file tells it, printed before SymPy is imported; empty where it does not."""
    from metrigen.catalogue.outline import UNKNOWN, docstring, outline
    from metrigen.emit.rows import WIDTH, heading

    text = read(spec, shown_path(spec)).decode("utf-8-sig", errors="replace")
    known = outline(text)
    if known is None or known.name == UNKNOWN:
        return ""
    told = heading(known.name, docstring(text), WIDTH)
    session.say(told)
    return told


def _report(session: Session, spec: Path, strict: bool) -> Report:
    from metrigen import build as b
    from metrigen import console as c

    with c.patience() as waiting:
        report = b.report_file(spec, waiting.begin)
    session.warn(b.warnings_of(report), strict)
    return report


def _backends(session: Session, spec: Path, strict: bool) -> None:
    from metrigen import build as b
    from metrigen import console as c
    from metrigen import show as s

    with c.patience() as waiting:
        found = b.backends_file(spec, waiting.begin)
    session.warn(found.warnings, strict)
    session.say(s.backends_table(found))
    session.give(name=found.name, operators=s.backends_values(found))


def _latex(session: Session, report: Report) -> None:
    from metrigen import build as b

    text = b.report_markdown(report)
    session.say(text, end="")
    session.give(name=report.spec.system.name, markdown=text)


def _html(session: Session, report: Report, file: Path | None, sizes: tuple[int, ...] | None, bandwidth: float) -> None:
    from metrigen import build as b

    path = b.write_page(report, file, sizes, bandwidth)
    session.say(str(path))
    session.give(name=report.spec.system.name, file=str(path))


def _cost(session: Session, report: Report, sizes: tuple[int, ...] | None, bandwidth: float) -> None:
    from metrigen import build as b
    from metrigen import show as s

    found = b.report_cost(report, sizes, bandwidth)
    for table in s.cost_tables(found):
        session.say(table)
        session.say()
    session.say(f"{s.cost_meaning(found)}\n\n{s.cost_notes(found)}")
    session.give(name=report.spec.system.name, **asdict(found))


def _derivation(session: Session, report: Report, told: str) -> None:
    from metrigen import console as c
    from metrigen import show as s

    if told != (heading := s.heading_text(report)):
        session.say(heading)
    session.say(f"\n{s.upper_text(report)}")
    session.say(c.laws_table(report.laws))
    session.say(f"\n{s.lower_text(report)}", end="")
    derivation = report.derivation
    session.give(
        name=report.spec.system.name,
        spec=report.spec.path,
        fields=[u.func.__name__ for u in derivation.structure.fields],
        hamiltonian=str(derivation.structure.hamiltonian),
        equations={u.func.__name__: str(rate) for u, rate in derivation.equations.items()},
        laws=law_values(report.laws),
        step_limit=None if derivation.step_limit is None else str(derivation.step_limit),
    )
