"""The table of a run: groups with their seconds, done once a commit; the table of dev.py test."""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path

import pytest

import dev
from tests import long
from tests.conftest import ROOT


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three groups: one of pytest with a test that fails, one that ends well, one that does not."""
    (tmp_path / "test_it.py").write_text("def test_a(): pass\ndef test_b(): pass\ndef test_c(): assert 0\n")
    tests = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(tmp_path / "test_it.py"))
    groups = (
        long.Group("tests", tests),
        long.Group("good", (sys.executable, "-c", "print('well')")),
        long.Group("bad", (sys.executable, "-c", "raise SystemExit(3)")),
    )
    monkeypatch.setattr(long, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(long, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(long, "groups", lambda commit: groups)
    return tmp_path / "runs"


def test_every_group_runs_once_a_commit(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert long.main([]) == 1
    page = long.PAGE.read_text()
    long.PAGE.unlink()
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in page.splitlines() if line.startswith("| ")}
    assert rows["tests"].endswith(" | 2 | 1 |")
    assert rows["good"].endswith(" | 1 | 0 |")
    assert rows["bad"].endswith(" | 0 | 1 |")
    assert f"Commit {long.commit_of()}" in page
    assert "2 passed" in (small / "tests.log").read_text()
    capsys.readouterr()
    # The end of the file was lost: that group alone runs again.
    lines = (small / "results.jsonl").read_text().splitlines(keepends=True)
    (small / "results.jsonl").write_text("".join(lines[:-1]) + lines[-1][:20] + "\n")
    assert long.main([]) == 1
    assert [line for line in capsys.readouterr().out.splitlines() if ": python" in line] == [
        "bad: python -c raise SystemExit(3)"
    ]
    assert long.main(["good"]) == 1
    assert "good: python" in capsys.readouterr().out
    long.PAGE.unlink()


def test_results_of_another_commit_do_not_count(small: Path) -> None:
    small.mkdir()
    other = {"commit": "0" * 12, "name": "good", "command": "", "seconds": 1.0, "passed": 1, "failed": 0}
    (small / "results.jsonl").write_text(json.dumps(other) + "\n")
    assert long.kept(long.commit_of()) == {}
    assert "good" in long.kept("0" * 12)


def test_the_groups_are_there() -> None:
    found = {group.name: group.command for group in long.groups("0")}
    files = {path.relative_to(ROOT).with_suffix("").as_posix() for path in (ROOT / "tests").rglob("test_*.py")}
    assert files | {"soak", "fuzz-0"} <= set(found)
    for command in found.values():
        for part in command:
            assert not part.startswith("tests/") or (ROOT / part).exists()


def test_the_time_of_every_group_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tests" / "kernels").mkdir(parents=True)
    (tmp_path / "tests" / "test_a.py").write_text("def test_a(): pass\n")
    (tmp_path / "tests" / "kernels" / "test_b.py").write_text(
        "import os, pytest\ndef test_b(): assert os.environ.get('TRITON_INTERPRET') != '1'\n"
        "def test_c(): pytest.skip('not here')\n"
    )
    monkeypatch.setattr(dev, "ROOT", tmp_path)
    monkeypatch.setattr(dev, "PYTHON", sys.executable)
    assert dev.test() == 1
    whole, table = capsys.readouterr().out.split("seconds  passed  failed\n")
    table = table.splitlines()
    assert re.search(r"^\d+ seconds in all", whole, re.M)
    assert "$ " in whole  # what ran aside is told too
    assert all(f"-m {check}" in whole for check in ("ruff check .", "mypy", "pytest"))
    figures = {line.split(maxsplit=3)[3]: line.split(maxsplit=3)[1:3] for line in table[:-1]}
    assert figures["pytest"] == ["2", "0"]
    assert figures["tests/kernels"] == ["0", "1"]  # the last one of that name: in the interpreter
    assert figures["tests/kernels/test_b.py"] == ["0", "1"]  # of the slowest files, the same
    assert figures["pytest, Triton's interpreter"] == ["0", "1"]
    assert set(figures) >= {"ruff check .", "ruff format --check .", "mypy", "tests"}
    good, bad = (sum(int(figures[name][k]) for name in figures if not name.startswith("tests")) for k in (0, 1))
    assert table[-1] == f"{good} passed, {bad} failed"


def test_any_python_can_read_dev() -> None:
    """What is too old for the project is told so, not that the file cannot be read."""
    ast.parse((ROOT / "dev.py").read_text(), feature_version=(3, 5))
