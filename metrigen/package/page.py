"""The report of one spec as one HTML page: no script, no network, light and dark, on screen and on paper."""

from __future__ import annotations

import re

from sympy import Symbol

from metrigen.emit.derivation import docstring, sections
from metrigen.emit.header import origin
from metrigen.emit.mathml import mathml
from metrigen.emit.notation import latex
from metrigen.emit.render import render
from metrigen.package.cost import Cost
from metrigen.package.pictures import stencil_pictures, wave_pictures
from metrigen.package.report import Report
from metrigen.package.sections import integrator_sentences, shape_text
from metrigen.package.stencils import boundary_sentence, stencil_text
from metrigen.package.von_neumann import formulas, wave_table


def page(report: Report, cost: Cost | None) -> str:
    """The text of the page; the same report gives the same bytes."""
    spec = report.spec
    return render(
        "show.html.j2",
        name=spec.system.name,
        docstring=_flowing(docstring(spec)),
        sections=[(s.title, s.note, [mathml(f.latex()) for f in s.formulas]) for s in sections(report.derivation)],
        laws=report.laws,
        stencil_note=_stencil_note(report),
        stencil_text=stencil_text(report.layer) if report.layer is not None else "",
        stencil_pictures=stencil_pictures(report.waves),
        wave_intro=_wave_intro(report),
        wave_formulas=_wave_formulas(report),
        wave_notes=report.waves.notes,
        wave_state=report.waves.state_sentence() if report.waves.numbers is not None else "",
        wave_pictures=wave_pictures(report.waves),
        wave_table=wave_table(report.waves) if report.waves.numbers is not None else None,
        integrator=integrator_sentences(report.derivation, report.waves),
        cost=cost,
        shape="" if cost is None else shape_text(cost.shape),
        unbuilt=report.unbuilt,
        path=spec.file,
        source=spec.source,
        origin=origin(spec).removesuffix(" Do not edit."),
    )


def _flowing(text: str) -> str:
    """A docstring whose paragraphs are as wide as the page; one with indented lines, a formula say, stays as it is."""
    blocks = re.split(r"\n\s*\n", text)
    return "\n\n".join(b if re.search(r"^ ", b, re.M) else " ".join(b.split()) for b in blocks)


def _stencil_note(report: Report) -> str:
    if report.layer is None:
        return f"There is no lattice form: {report.unbuilt}."
    return boundary_sentence(report.layer)


def _wave_intro(report: Report) -> list[str]:
    """The sentence before the symbols, in pieces that alternate between words and formulas."""
    if report.waves.symbols is None:
        return []
    symbols = report.waves.symbols
    name, k = (latex(Symbol(c)) for c in (symbols.matrix, symbols.vector))
    wave = rf"\hat{{z}} e^{{i {k} \cdot x}}"
    if symbols.steady:
        return ["The operator dF/du of the steady state multiplies a plane wave ", _inline(wave),
                " by ", _inline(f"{name}({k})"), ". Entries that vanish are left out."]  # fmt: skip
    return ["A plane wave ", _inline(f"z + {wave}"), " about a constant state ", _inline("z"),
            " obeys ", _inline(rf"\partial_t \hat{{z}} = {name}({k}) \hat{{z}}"),
            ". Entries that vanish are left out; a channel matrix stands for one of its eigenvalues."]  # fmt: skip


def _inline(formula: str) -> str:
    return mathml(formula, display=False)


def _wave_formulas(report: Report) -> list[tuple[str, list[str]]]:
    """(continuum or lattice, its entries)."""
    if report.waves.symbols is None:
        return []
    found: dict[str, list[str]] = {}
    for left, _, where, e in formulas(report.waves.symbols):
        if e is not None:
            found.setdefault(where, []).append(mathml(f"{left} = {latex(e)}"))
    return list(found.items())
