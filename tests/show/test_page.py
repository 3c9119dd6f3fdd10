"""The page of a spec: whole, self-contained, well-formed, and the same at every run."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import pytest
import sympy as sp

from metrigen.build import report_cost, report_file, write_page
from metrigen.emit.mathml import mathml
from metrigen.emit.notation import latex
from metrigen.emit.svg import Line, Mark, line_plot, stencil_grid, ticks
from metrigen.errors import BuildError
from metrigen.package.page import _flowing, page
from metrigen.package.pictures import stencil_pictures, wave_pictures
from tests.conftest import ROOT
from tests.show.systems import decay, heat, report, screened, wave, x, y

VOID = {"meta", "br", "mspace"}
SPECS = ["specs/coupled_wave.py", "specs/maze.py", "specs/gallery/gas.py", "specs/gallery/kepler.py"]


class Reader(HTMLParser):
    """Tags open and close in order; what would be fetched is collected."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [f"{name}={value}" for name, value in attrs if name in ("src", "href", "srcset", "data")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module", params=SPECS)
def made(request: pytest.FixtureRequest) -> tuple[str, str, object]:
    found = report_file(ROOT / request.param)
    return request.param, page(found, report_cost(found, None, 20.0)), found


def test_the_page_is_well_formed_and_fetches_nothing(made: tuple[str, str, object]) -> None:
    _, text, found = made
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    assert reader.fetched == []
    assert not {"script", "link", "img", "iframe", "object", "embed"} & set(reader.tags)
    assert "http" not in text.replace(escape(found.spec.source), "")  # type: ignore[attr-defined]
    assert "url(" not in text
    assert "@import" not in text


def test_formulas_and_pictures_are_xml_with_a_text_for_everyone(made: tuple[str, str, object]) -> None:
    _, text, _ = made
    formulas = re.findall(r"<math.*?</math>", text, re.S)
    assert len(formulas) > 5
    for formula in formulas:
        assert ElementTree.fromstring(formula).get("alttext")
    pictures = re.findall(r"<svg.*?</svg>", text, re.S)
    assert pictures
    for picture in pictures:
        root = ElementTree.fromstring(picture)
        assert root.get("role") == "img"
        assert root.get("aria-label") == root.findtext("title")
        assert "nan" not in picture
        assert "inf" not in picture
    assert text.count("<figcaption>") == len(pictures)


def test_the_page_holds_every_law_and_the_spec(made: tuple[str, str, object]) -> None:
    _, text, found = made
    for law in found.laws:  # type: ignore[attr-defined]
        row = re.search(rf'<th scope="row">{law.name}</th><td class="verdict {law.verdict}">{law.verdict}</td>', text)
        assert row, law.name
        assert escape(law.how, quote=False) in text.replace("&#39;", "'").replace("&#34;", '"')
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text
    for program in found.optimised:  # type: ignore[attr-defined]
        assert f'<th scope="row">{program}</th>' in text
    assert escape(found.spec.source, quote=False) in text.replace("&#39;", "'").replace("&#34;", '"')  # type: ignore[attr-defined]


def test_the_same_spec_gives_the_same_page() -> None:
    first, second = (report_file(ROOT / "specs/coupled_wave.py") for _ in range(2))
    assert page(first, None) == page(second, None)


def test_pictures_of_a_wave_and_of_what_has_none() -> None:
    found = report(wave(gamma=0.4)).waves
    captions = [p.caption for p in wave_pictures(found)]
    assert [c.split()[0] for c in captions] == ["Dispersion", "Growth", "Amplification", "Largest"]
    assert "step limit" in wave_pictures(found)[-1].svg
    assert len(stencil_pictures(found)) == 3  # phi_t of pi, pi_t of phi, pi_t of pi
    assert ">c2</text>" in stencil_pictures(found)[1].svg
    heated = [p.caption for p in wave_pictures(report(heat(axes=(x, y))).waves)]
    assert not any(c.startswith("Dispersion") for c in heated)
    assert sum("along the diagonal" in c for c in heated) == 2
    assert [p.caption.split()[0] for p in wave_pictures(report(screened()).waves)] == ["Eigenvalues"]
    point = report(decay()).waves
    assert stencil_pictures(point) == []
    assert [p.caption.split()[0] for p in wave_pictures(point)] == ["Largest"]
    assert "no axis" in page(report(decay()), None)


def test_a_docstring_cannot_break_the_page() -> None:
    text = page(report(decay(), '"""<script>alert(1)</script> & more"""\n'), None)
    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in text


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    found = report(decay())
    path = write_page(found, tmp_path / "page.html", None, 20.0)
    before = path.read_bytes()
    assert before.startswith(b"<!DOCTYPE html>")
    for taken in (tmp_path, tmp_path / "missing" / "page.html"):
        with pytest.raises(BuildError, match="cannot be written"):
            write_page(found, taken, None, 20.0)
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]
    assert path.read_bytes() == before


@pytest.mark.parametrize("spec", sorted((ROOT / "specs/gallery").glob("*.py"))[::6], ids=lambda p: p.stem)
def test_every_formula_of_the_gallery_is_typeset(spec: Path) -> None:
    text = page(report_file(spec), None)
    shown = set(re.findall(r'<mi mathvariant="normal">([^<]+)</mi>', text))
    assert not [name for name in shown if name in ("frac", "left", "right", "partial", "sqrt", "delta", "mathcal")]
    for formula in re.findall(r"<math.*?</math>", text, re.S):
        ElementTree.fromstring(formula)


def test_mathml_of_the_vocabulary() -> None:
    def body(formula: str) -> str:
        return re.sub(r"</?math[^>]*>", "", mathml(formula))

    assert body(r"\frac{a}{b}") == "<mrow><mfrac><mrow><mi>a</mi></mrow><mrow><mi>b</mi></mrow></mfrac></mrow>"
    assert "<msubsup><mi>c</mi><mrow><mn>2</mn></mrow><mrow><mn>3</mn></mrow></msubsup>" in body("c_{2}^{3}")
    assert "<mroot><mrow><mi>x</mi></mrow><mrow><mn>3</mn></mrow></mroot>" in body(r"\sqrt[3]{x}")
    assert '<mo stretchy="true">(</mo>' in body(r"\left(x\right)")
    assert body(r"a < b").count("&lt;") == 1
    assert '<mi mathvariant="normal">norm</mi>' in body(r"\mathrm{norm}_{K}")
    assert '<mi mathvariant="normal">unheardof</mi>' in body(r"\unheardof x")
    for unfinished in ("x^", "{x", r"\left(x", r"\frac{a}", ""):
        ElementTree.fromstring(mathml(unfinished))
    assert 'alttext="a &lt; b"' in mathml("a < b")
    assert latex(x) == "x"
    assert y != x


def test_plots_have_round_ticks_and_break_where_there_is_no_value() -> None:
    assert ticks(0, 1) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert ticks(-0.3, 0.3)[0] == pytest.approx(-0.3)
    assert all(0.97 <= v <= 1.031 for v in ticks(0.97, 1.031))
    line = Line("a", [0, 1, 2, 3], [0, float("nan"), 2, float("inf")])
    svg = line_plot("t", "x", "y", [line], [Mark("x", 1, "here")])
    ElementTree.fromstring(svg)
    assert svg.count("M", svg.index('class="line c0"'), svg.index("/>", svg.index('class="line c0"'))) == 2
    flat = line_plot("t", "x", "y", [Line("a", [0, 1], [3, 3])])
    ElementTree.fromstring(flat)
    grid = ElementTree.fromstring(stencil_grid("s", {(0, 0): "-2*a", (1, 0): "a", (-1, 0): "a"}))
    assert len(grid.findall("rect")) == 3


def test_a_field_called_like_the_matrix_has_it_called_otherwise() -> None:
    from metrigen.package.fourier import Symbols

    def symbols(*names: str) -> Symbols:
        return Symbols(names, (), sp.S.One, None, {}, False, taken=frozenset(names))

    assert [symbols(*names).matrix for names in (("u",), ("A", "u"), ("A", "M"))] == ["A", "M", "Q"]


def test_small_numbers_on_an_axis_leave_room_for_its_label() -> None:
    """A power of ten goes into the label, so that no number is longer than the space beside the axis."""
    small = line_plot("decay", "k", "growth rate", [Line("a", [0.0, 1.0], [-1.5e-7, 0.0])])
    assert "growth rate / 1e-7" in small
    shown = re.findall(r'text-anchor="end"[^>]*>([^<]+)<', small)
    assert shown
    assert max(map(len, shown)) <= 6
    assert sorted(float(v) for v in shown)[0] < -1
    plain = line_plot("decay", "k", "growth rate", [Line("a", [0.0, 1.0], [-1.5, 0.0])])
    assert ">growth rate<" in plain


def test_a_paragraph_of_the_docstring_is_as_wide_as_the_page() -> None:
    assert _flowing("One line\nand more.\n\n    a formula\n\nEnd.") == "One line and more.\n\n    a formula\n\nEnd."
