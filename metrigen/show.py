"""What ``metrigen show`` prints, at 80 columns, with or without a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from metrigen.build import Backed
from metrigen.emit.derivation import derivation_text, docstring
from metrigen.emit.rows import WIDTH, heading, wrapped
from metrigen.package.cost import Cost
from metrigen.package.report import Report
from metrigen.package.sections import integrator_sentences, shape_text
from metrigen.package.stencils import boundary_sentence, stencil_text
from metrigen.package.von_neumann import wave_text


def heading_text(report: Report) -> str:
    """What stands above all: the name and the first paragraph of the spec."""
    return heading(report.spec.system.name, docstring(report.spec), WIDTH)


def upper_text(report: Report) -> str:
    """What stands between the heading and the laws: the derivation."""
    return derivation_text(report.derivation, WIDTH)


def lower_text(report: Report) -> str:
    """What stands below the laws: stencils, von Neumann analysis, limits."""
    if report.layer is None:
        stencils = wrapped(f"There is no lattice form: {report.unbuilt}.", WIDTH, "  ")
    else:
        lines = [boundary_sentence(report.layer), *stencil_text(report.layer).splitlines()]
        stencils = [row for line in lines for row in _indented(line)]
    waves = [row for line in wave_text(report.waves) for row in wrapped(line, WIDTH, "  ", "      ")]
    sentences = integrator_sentences(report.derivation, report.waves)
    limits = [row for sentence in sentences for row in wrapped(sentence, WIDTH, "  ", "    ")]
    blocks = (("Stencils", stencils), ("Von Neumann analysis", waves), ("Integrator and limits", limits))
    return "\n\n".join("\n".join([title, *rows]) for title, rows in blocks) + "\n"


def _indented(line: str) -> list[str]:
    depth = " " * (2 + len(line) - len(line.lstrip()))
    return wrapped(line.strip(), WIDTH, depth, depth + "    ")


def cost_tables(cost: Cost) -> tuple[Table, Table]:
    """Programs one by one, and whole calls."""
    programs = _figures("program", "kern", "maps", "+ -", "*", "/", "func", "bytes", "op/byte")
    for p in cost.programs:
        ops = (p.ops.adds, p.ops.muls, p.ops.divs, p.ops.special)
        programs.add_row(f"  {p.name}", *map(str, (p.kernels, p.maps, *ops, p.bytes)), f"{p.intensity:.3g}")
    calls = _figures("call", "op/site", "bytes/site", "op/byte", "floor")
    for c in cost.loops:
        work = (str(c.flops), str(c.bytes), f"{c.intensity:.3g}") if c.flops else ("-", str(c.bytes), "-")
        calls.add_row(f"  {c.name}", *work, f"{c.floor_ms:.3g} ms")
    return programs, calls


def cost_meaning(cost: Cost) -> str:
    """How to read the tables."""
    meaning = (
        f"Per site, float32. A channel map (maps) is {2 * cost.shape[1]} operations at {shape_text(cost.shape)}; the "
        f"floor is the time that the bytes of that shape take at {cost.bandwidth:g} GB/s."
    )
    return "\n".join(wrapped(meaning, WIDTH, "  "))


def cost_notes(cost: Cost) -> str:
    """What is stored and what is recomputed in the backward pass, and why."""
    return "\n".join(row for note in cost.notes for row in wrapped(note, WIDTH, "  ", "    "))


def _figures(first: str, *names: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(f"  {first}", no_wrap=True)
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def curves_table(curves: Mapping[str, Any]) -> Table:
    """Energy, entropy and the defect of the balance of a run: start, end, drift, and the largest excursion."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("", no_wrap=True)
    for title in ("start", "end", "drift", "largest drift"):
        table.add_column(title, justify="right", no_wrap=True)
    for title, curve in curves.items():
        if title == "balance":
            table.add_row("balance defect", f"{curve[0]:.3g}", f"{curve[-1]:.3g}", "", "")
            continue
        away = curve - curve[0]
        largest = away[abs(away).argmax()]
        table.add_row(title, f"{curve[0]:.10g}", f"{curve[-1]:.10g}", f"{away[-1]:.3g}", f"{largest:.3g}")
    return table


def term_lines(sign: str, term: str) -> list[str]:
    """A term that a formula lost (``-``) or gained (``+``), in rows of 80 columns."""
    return wrapped(f"{sign} {term}", WIDTH, "    ", "        ")


def backends_table(backed: Backed) -> Table:
    """Operator, backend, and yes or the backend's own reason."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("operator", no_wrap=True)
    table.add_column("backend", no_wrap=True)
    table.add_column("runs it", overflow="fold")
    for operator in backed.operators:
        for k, backend in enumerate(backed.backends):
            reason = backed.reasons[backend, operator]
            table.add_row("" if k else operator, backend, f"no: {backend} {reason}" if reason else "yes")
    return table


def backends_values(backed: Backed) -> dict[str, dict[str, dict[str, Any]]]:
    """Operator -> backend -> whether it runs there, and why not."""
    return {
        operator: {b: {"runs": not (why := backed.reasons[b, operator]), "why_not": why} for b in backed.backends}
        for operator in backed.operators
    }
