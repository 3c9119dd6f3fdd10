"""Every refusal names a section of docs/reference/refusals.md; its wrong code is refused so, its right code is not.

A short run tries the code of every third."""

from __future__ import annotations

import ast
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from metrigen.cli import app
from metrigen.errors import REFUSALS
from tests import processes
from tests.conftest import ROOT
from tests.lengths import spread
from tests.refusals import FLOW, POINT, STEADY, Section, sections
from tests.test_mistakes import refusals

SECTIONS = {section.slug: section for section in sections()}
# What no spec brings about: a machine that lacks something, and faults of the compiler.
WITHOUT_CODE = {"not-installed", "cache", "compiler-fault", "law-lattice-metric-psd"}
SITES = [(file, call) for file in sorted((ROOT / "metrigen").rglob("*.py")) for call in refusals(file)]


def slug_of(call: ast.Call) -> str:
    """The section that a site names; "law" where it is that of its law."""
    given = {k.arg: k.value for k in call.keywords}
    if "see" in given:
        value = given["see"]
        return str(ast.literal_eval(value))
    return "law" if "law" in given else ""


@pytest.mark.parametrize("site", SITES, ids=lambda site: f"{site[0].stem}:{site[1].lineno}")
def test_every_refusal_names_a_section(site: tuple[Path, ast.Call]) -> None:
    slug = slug_of(site[1])
    assert slug == "law" or slug in SECTIONS, f"{site[0]}:{site[1].lineno} names {slug!r}"


def test_every_section_is_named_and_every_law_has_one() -> None:
    named = {slug_of(call) for _, call in SITES}
    laws = {slug for slug in SECTIONS if slug.startswith("law-")}
    assert set(SECTIONS) - laws == named - {"law"}
    stated = (k.value for _, call in SITES for k in call.keywords if k.arg == "law" and slug_of(call) == "law")
    for law in stated:
        assert not isinstance(law, ast.Constant) or f"law-{law.value}".replace("_", "-") in SECTIONS, law


def told(folder: Path, section: Section, text: str) -> tuple[int, str]:
    """Exit code and message of a check of a spec, of command lines, or of a program."""
    runner = CliRunner()
    if section.kind == "spec":
        (folder / "spec.py").write_text(text, encoding="utf-8")
        done = runner.invoke(app, ["check", "spec.py", *(["--strict"] if section.strict else [])])
        return done.exit_code, done.stderr
    for name, base in (("spec", POINT), ("other", POINT), ("steady", STEADY), ("flow", FLOW)):
        (folder / f"{name}.py").write_text(base, encoding="utf-8")
    if section.kind == "run":
        program = processes.python("-c", text, cwd=folder)
        return program.returncode, program.stderr
    done = runner.invoke(app, shlex.split(text)[1:])
    return done.exit_code, done.stderr


@pytest.mark.parametrize("slug", spread([slug for slug, section in SECTIONS.items() if section.kind], 3))
def test_wrong_code_is_refused_so_and_right_code_is_not(
    slug: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    section = SECTIONS[slug]
    code, message = told(tmp_path, section, section.wrong)
    assert code == 1, message
    assert f"{REFUSALS}#{slug}" in " ".join(message.split()), message
    code, message = told(tmp_path, section, section.right)
    assert code == 0, message


def test_sections_without_code_are_those_that_no_spec_brings_about() -> None:
    assert {slug for slug, section in SECTIONS.items() if not section.kind} == WITHOUT_CODE
