"""The wheel is complete: installed alone, outside the repository, it builds a spec."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest


def call(*command: object, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("metrigen", "templates", "specs/gallery"):
        shutil.copytree(root / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, source / name)
    isolation = [] if importlib.util.find_spec("hatchling") is None else ["--no-build-isolation"]
    call(sys.executable, "-m", "pip", "wheel", source, "--no-deps", *isolation, "-q", "-w", folder, cwd=folder)
    return next(folder.glob("metrigen-*.whl"))


def test_the_wheel_carries_the_templates_and_the_licence(root: Path, wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    for template in (root / "templates").glob("*.j2"):
        assert f"metrigen/_templates/{template.name}" in inside
    for spec in (root / "specs/gallery").glob("*.py"):
        assert f"metrigen/_gallery/{spec.name}" in inside
    assert any(name.endswith("LICENSE") for name in inside)
    assert "metrigen/py.typed" in inside  # its annotations are there to be read
    assert not any(name.startswith(("tests", "specs", "trainers", "generated")) for name in inside)


def test_the_wheel_builds_a_spec_outside_the_repository(root: Path, wheel: Path, tmp_path: Path) -> None:
    site, work = tmp_path / "site", tmp_path / "work"
    work.mkdir()
    zipfile.ZipFile(wheel).extractall(site)
    shutil.copy(root / "specs/maze.py", work / "maze.py")
    where = call(sys.executable, "-c", "import metrigen; print(metrigen.__file__)", cwd=work, PYTHONPATH=str(site))
    assert where.startswith(str(site))
    call(sys.executable, "-m", "metrigen", "new", "rope", "--like", "kdv", cwd=work, PYTHONPATH=str(site))
    assert 'name="rope"' in (work / "rope.py").read_text()
    listed = call(sys.executable, "-m", "metrigen", "list", cwd=work, PYTHONPATH=str(site))
    assert re.search("^wave_guide ", listed, re.M)
    printed = call(sys.executable, "-m", "metrigen", "build", "maze.py", cwd=work, PYTHONPATH=str(site))
    assert "wrote     generated/maze" in printed
    assert "from maze.py (sha256 " in (work / "generated/maze/module.py").read_text()
    checked_in = root / "generated/maze/reference.py"
    assert (work / "generated/maze/reference.py").read_text().split("\n", 2)[2] == checked_in.read_text().split(
        "\n", 2
    )[2]
