"""The tutorial runs and prints what it says; every page exists and is linked to pages that do."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests import processes
from tests.conftest import ROOT
from tests.test_layers import EDGES

Run = Callable[..., "subprocess.CompletedProcess[str]"]
TUTORIAL = (ROOT / "docs/tutorial.md").read_text(encoding="utf-8")
PAGES = sorted((ROOT / "docs").rglob("*.md"))


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TUTORIAL, re.M | re.S)


def numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"\d\.\d{4}", text)]


def test_the_tutorial(metrigen: Run, tmp_path: Path) -> None:
    spec, train = blocks("python")
    equations, found = blocks("text")
    (tmp_path / "rope.py").write_text(spec, encoding="utf-8")
    (tmp_path / "train.py").write_text(train, encoding="utf-8")
    assert equations in metrigen("show", "rope.py", cwd=tmp_path).stdout
    assert metrigen("build", "rope.py", cwd=tmp_path).returncode == 0
    done = processes.python("train.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    wrong = [abs(a - b) for a, b in zip(numbers(done.stdout), numbers(found), strict=True)]
    assert max(wrong) < 2e-3, done.stdout
    (tmp_path / "rope.py").write_text(spec.replace("gamma * F[pi]", "-gamma * F[pi]"), encoding="utf-8")
    refusal = metrigen("check", "rope.py", cwd=tmp_path)
    assert refusal.returncode == 1
    assert "witness" in refusal.stderr


def test_every_page_is_in_the_navigation_and_every_link_leads_somewhere() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in PAGES:
        # The index of the gallery has those of its systems, and a test of the site that it has all of them.
        listed = page.parent.name == "gallery" and page.stem != "index"
        assert (
            listed
            or f"- {page.relative_to(ROOT / 'docs').as_posix()}\n" in navigation
            or f": {page.relative_to(ROOT / 'docs').as_posix()}\n" in navigation
        )
        for link in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).is_file(), f"{page.name}: {link}"


def test_every_command_of_the_guarantees_names_what_is_there() -> None:
    text = (ROOT / "docs/guarantees.md").read_text(encoding="utf-8")
    commands = [line.split("#")[0].split() for line in text.splitlines() if line.startswith("    ")]
    assert len(commands) > 8
    for sections in text.split("\n## ")[1:]:
        assert "\n    " in sections, sections[:40]
    for command in commands:
        for word in command:
            if word.startswith("tests/"):
                assert (ROOT / word).exists(), word
            if word.startswith("tests."):
                assert (ROOT / (word.replace(".", "/") + ".py")).is_file(), word


def test_the_readme_says_that_a_spec_is_a_program() -> None:
    """Who builds a spec runs it: that stands where one begins to read, and among the guarantees."""
    assert "A spec is Python and runs with your rights" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert "## A spec is a program" in (ROOT / "docs/guarantees.md").read_text(encoding="utf-8")


def test_the_page_of_packages_names_every_file_of_one() -> None:
    named = set(re.findall(r"`([\w.]+)`", (ROOT / "docs/concepts/package.md").read_text(encoding="utf-8")))
    found = {file.name for file in (ROOT / "generated").glob("*/*") if file.is_file()}
    assert len(found) > 20
    assert found - named == set()


def test_the_map_of_contributing_names_every_part_and_its_files_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = text[text.index("| part of") : text.index("How one spec")]
    named = {
        name for line in table.splitlines() if line[:1] == "|" for name in re.findall(r"`(\w+)`", line.split("|")[1])
    }
    assert named == EDGES.keys() - {"__init__", "__main__", "caches"}
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert (ROOT / link).is_file(), link
    for file in re.findall(r"`((?:spec|physics|discretise|integrators|backends)/[a-z_]+\.py)`", text):
        assert (ROOT / "metrigen" / file).is_file(), file
    for file in re.findall(r"`(tests/[\w/]+\.py)`", text):
        assert (ROOT / file).is_file(), file
