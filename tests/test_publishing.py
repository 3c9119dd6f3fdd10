"""What is published says one thing everywhere: versions, citation, changelog, commands."""

from __future__ import annotations

import re

import metrigen
from tests.conftest import ROOT
from tests.test_licences import tomllib

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
VERSION = re.compile(r"\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?")


def test_one_version() -> None:
    assert VERSION.fullmatch(metrigen.__version__)
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert PROJECT["tool"]["hatch"]["version"]["path"] == "metrigen/__init__.py"
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {metrigen.__version__}\n" in citation
    assert f"\nlicense: {PROJECT['project']['license']}\n" in citation
    for key in ("cff-version", "message", "title", "authors", "type"):
        assert re.search(rf"^{key}:", citation, re.M), key


def test_the_changelog_is_by_version_newest_first() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", text, re.M)
    assert headings[0] == "Unreleased"
    assert all(VERSION.fullmatch(head) for head in headings[1:])
    numbers = [tuple(map(int, head.split("."))) for head in headings[1:]]
    assert numbers == sorted(numbers, reverse=True)
    assert headings[1] == metrigen.__version__


def test_the_program_has_the_name_of_the_distribution() -> None:
    """As ``pipx run`` asks for."""
    assert PROJECT["project"]["scripts"] == {PROJECT["project"]["name"]: "metrigen.cli:main"}
