"""The documentation is built with warnings as errors, and holds every public name, system and row that there is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import metrigen
from metrigen.build import backends_file, report_file
from metrigen.catalogue import gallery
from metrigen.catalogue.built import _tree_hash
from tests.conftest import ROOT
from tests.lengths import LONG
from website import backends, browser, reference
from website.docstrings import markdown
from website.gallery import PAGES, SPECS, front, page
from website.pictures import picture

ROWS = ("maze", "lm", "learned_mobility", "graph_heat", "delta_rule", "vlasov")  # of a short run
CODE = re.compile(r"^```(?:python|bash)\n(.*?)^```$", re.M | re.S)


def code(*names: str) -> str:
    """All code of some pages."""
    texts = [(ROOT / f"docs/{name}.md").read_text(encoding="utf-8") for name in names]
    return "\n".join(block for text in texts for block in CODE.findall(text))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as it is published."""
    pytest.importorskip("material")
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(out)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def test_the_site_fetches_nothing_and_sets_its_formulas(site: Path) -> None:
    for name in ("index.html", "gallery/kdv.html", "reference/spec.html"):
        text = (site / name).read_text(encoding="utf-8")
        fetched = re.findall(r'(?:src|href)="(https?://[^"]+\.(?:js|css|woff2?|png|svg))"', text)
        assert not fetched, name
    kdv = (site / "gallery/kdv.html").read_text(encoding="utf-8")
    assert kdv.count("<math") > 4
    assert "arithmatex" not in kdv
    assert "boundary" in (site / "reference/spec.html").read_text(encoding="utf-8")


def test_every_public_name_has_an_example_and_a_place_in_the_reference() -> None:
    examples = code("reference/words")
    grouped = [name for group in reference.GROUPS.values() for name in group]
    assert sorted(grouped) == sorted(metrigen.__all__)
    for name in metrigen.__all__:
        assert re.search(rf"\b{name}\b", examples), name


def test_every_method_of_a_layer_is_called_on_a_page() -> None:
    pages = [f.relative_to(ROOT / "docs").with_suffix("").as_posix() for f in sorted((ROOT / "docs").rglob("*.md"))]
    shown = code(*(name for name in pages if not name.startswith("gallery/")))
    methods = re.findall(r"\{ #layer-(\w+) \}", "\n".join(reference._methods()))
    assert len(methods) > 15
    for name in methods:
        # A layer is called, not its forward.
        assert name == "forward" or re.search(rf"\.{name}\b", shown), name


def test_every_command_is_run_on_a_page() -> None:
    named = re.findall(r"^### metrigen (\w+)$", "\n".join(reference._commands()), re.M)
    assert len(named) >= 10
    shown = code("command-line", "howto/code", "howto/extend", "tutorial", "concepts/reports", "reference/refusals")
    for name in named:
        assert f"metrigen {name}" in shown, name


def test_every_system_of_the_gallery_has_a_page_of_its_spec() -> None:
    assert {f.stem for f in PAGES.glob("*.md")} == {*gallery.names(), "index"}
    for name in gallery.names():
        stated = (PAGES / f"{name}.md").read_text(encoding="utf-8").split("<!-- of ", 1)[1].split(" ", 1)[0]
        assert stated == _tree_hash((SPECS / f"{name}.py").read_bytes()), f"python -m website.gallery {name}"
    assert (PAGES / "index.md").read_text(encoding="utf-8") == front()
    assert sum(f.stat().st_size for f in PAGES.iterdir()) < 3_000_000


@pytest.mark.parametrize("name", ["duffing", "graph_heat"])
def test_a_page_of_the_gallery_is_what_its_spec_gives(name: str) -> None:
    text = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    run = re.search(r"```text\n(metrigen simulate .*)\n```", text)
    assert run
    assert page(report_file(SPECS / f"{name}.py"), True, run[1]) == text


def test_docstrings_become_lists() -> None:
    made = markdown("What it is: a_b.\n\nname   of ``x``,\n       and more\nothers, too  two names\n\nRaises nothing.")
    assert made == ("What it is: a\\_b.\n\n- `name`: of `x`, and more\n- `others`, `too`: two names\n\nRaises nothing.")


def test_a_row_for_every_spec_and_cpu_kernels_for_all_but_modules() -> None:
    rows = re.findall(r"^\| (\w+) \| [^|]+ \| ([^|]+) \| ([^|]+) \|$", backends.PAGE.read_text(encoding="utf-8"), re.M)
    assert [name for name, *_ in rows] == ["spec", *(file.stem for file in backends.specs())]
    assert all(cpu == "all" or "the module" in cpu for _, cpu, _ in rows[1:])
    assert all(triton == "all" or "it " in triton for *_, triton in rows[1:])


@pytest.mark.parametrize(
    "file",
    [
        f
        for f in backends.specs()
        if LONG or f.stem in ("maze", "lm", "learned_mobility", "graph_heat", "delta_rule", "vlasov")
    ],
    ids=lambda file: file.stem,
)
def test_a_row_is_what_a_layer_says(file: Path) -> None:
    """Stale: python -m website.backends"""
    assert backends.row(backends_file(file)) in backends.PAGE.read_text(encoding="utf-8").splitlines()


def test_a_picture_of_a_run_is_drawn(tmp_path: Path) -> None:
    assert picture("damped_pendulum", tmp_path / "it.png") == "metrigen simulate specs/gallery/damped_pendulum.py"
    assert (tmp_path / "it.png").stat().st_size > 0


@pytest.mark.skipif(browser.browser() is None, reason="there is no Chromium here")
def test_what_is_wrong_with_a_page_is_seen_in_a_browser(tmp_path: Path) -> None:
    styles = {"good": "", "bad": "p { width: 600px; margin: -9px 0 }", "pale": "p { color: #777; background: #888 }"}
    for name, style in styles.items():
        text = f"<!doctype html><style>body {{ color: #000; margin: 9px }} {style}</style><p>One line.<p>Another line."
        (tmp_path / f"{name}.html").write_text(text, encoding="utf-8")
    found = browser.faults([tmp_path / f"{name}.html" for name in styles], 390, "light")
    good, bad, pale = found.values()
    assert good == []
    assert bad[0].startswith("is 60")
    assert 'P "One line." on P "Another line."' in bad
    assert [fault[:5] for fault in pale] == ["pale:", "pale:"]
