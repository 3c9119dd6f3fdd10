"""The pages of the gallery, from ``specs/gallery``: ``python -m website.gallery [NAME...]`` writes ``docs/gallery``.

A page has the formulas and laws that ``metrigen show --latex`` prints, the spec, and a picture of a run. They are kept
in the repository since deriving all of them takes minutes; ``tests/test_website.py`` finds those that are stale.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from metrigen.build import report_file, report_markdown
from metrigen.catalogue import gallery
from metrigen.catalogue.outline import outline
from metrigen.package.report import Report
from website.features import features
from website.pictures import picture

ROOT = Path(__file__).resolve().parents[1]
SPECS, PAGES = ROOT / "specs" / "gallery", ROOT / "docs" / "gallery"


def page(report: Report, has_picture: bool, run: str) -> str:
    """The Markdown of a system: what it is, a picture and what drew it, formulas, laws, the spec."""
    name = report.spec.system.name
    text = report_markdown(report).split(f"# {name}: derivation\n", 1)[1]
    about, _, sections = text.partition("\n## ")
    formulas, _, laws = f"## {sections}".partition("## Laws\n")
    rows = [f"<!-- of {report.spec.sha256} -->", "", f"# {name.replace('_', ' ')}", "", _linked(about.strip()), ""]
    if has_picture:
        rows += [f"![{name}]({name}.png)", "", "```python" if "\n" in run else "```text", run.rstrip(), "```", ""]
    rows += ["Has: " + "; ".join(features(report)) + ".", "", formulas.strip(), "", "## Laws", "", *_laws(laws), ""]
    rows += ["## The spec", "", "```python", f'--8<-- "specs/gallery/{name}.py"', "```", ""]
    rows += [f"`metrigen new mine --like {name}` writes a copy of it.", "", "[All systems](index.md)"]
    return "\n".join(rows) + "\n"


def _laws(text: str) -> Iterator[str]:
    """The table of laws in three columns: what the law is, its verdict, how that is known."""
    yield "| law | verdict | how |"
    yield "| --- | --- | --- |"
    for line in re.findall(r"^\| (?!law|---).*$", text, re.M):
        law, verdict, *how = (cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1])
        yield f"| `{law}` | {verdict} | {_plain('; '.join(part for part in how if part))} |"


def _plain(text: str) -> str:
    """A text in which Markdown reads no markup."""
    return re.sub(r"([*_<\[])", r"\\\1", text)


def _linked(text: str) -> str:
    """A docstring as Markdown: its formulas are in plain characters."""
    return _plain(text).replace("``", "`")


def front() -> str:
    """The index, read off the pages: every feature with the systems that have it, every system with its physics."""
    by: dict[str, list[str]] = {}
    for file in pages():
        told = re.search(r"^Has: (.*)\.$", file.read_text(encoding="utf-8"), re.M)
        for feature in told[1].split("; ") if told else ():
            by.setdefault(feature, []).append(f"[{file.stem}]({file.name})")
    lines = ["# Gallery", "", f"{len(pages())} systems of the literature. Each is a spec that ships with metrigen and",
             "that the tests check against what is known of it; `metrigen new mine --like kdv` copies one.", "",
             "## By feature", "", "| feature | systems |", "| --- | --- |"]  # fmt: skip
    lines += [f"| {feature} | {', '.join(names)} |" for feature, names in sorted(by.items())]
    lines += ["", "## By name", "", "| system | physics |", "| --- | --- |"]
    for file in pages():
        about = outline((SPECS / f"{file.stem}.py").read_text(encoding="utf-8"))
        lines.append(f"| [{file.stem}]({file.name}) | {_plain(about.physics if about else '')} |")
    return "\n".join(lines) + "\n"


def pages() -> list[Path]:
    """The pages of systems, by name."""
    return sorted(file for file in PAGES.glob("*.md") if file.stem != "index")


def write(names: list[str]) -> None:
    """Pages and pictures of some systems, or of all, and the index."""
    PAGES.mkdir(exist_ok=True)
    for name in names or gallery.names():
        run = picture(name, PAGES / f"{name}.png")
        text = page(report_file(SPECS / f"{name}.py"), bool(run), run)
        (PAGES / f"{name}.md").write_text(text, encoding="utf-8")
        print(name, "" if run else "no picture", flush=True)
    (PAGES / "index.md").write_text(front(), encoding="utf-8")


if __name__ == "__main__":
    write(sys.argv[1:])
