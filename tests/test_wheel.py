"""The wheel and the source distribution are complete: installed alone, outside the repository, they build a spec.

The long run installs both into empty environments, with what they depend on.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from tests.lengths import LONG


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
def source(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What of the repository goes into distributions."""
    folder = tmp_path_factory.mktemp("source")
    source = folder / "source"
    source.mkdir()
    for name in ("metrigen", "templates", "specs"):
        shutil.copytree(root / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "CITATION.cff", "CHANGELOG.md"):
        shutil.copy(root / name, source / name)
    return source


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
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


@pytest.fixture(scope="module")
def sdist(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    pytest.importorskip("hatchling")
    call(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", folder, cwd=source)
    return next(folder.glob("metrigen-*.tar.gz"))


def test_a_wheel_from_the_source_distribution_is_the_same(wheel: Path, sdist: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
        archive.extractall(tmp_path, filter="data")
    assert {"LICENSE", "CITATION.cff", "CHANGELOG.md", "README.md", "specs/maze.py"} <= names
    assert not any(name.startswith(("tests", "trainers", "generated", "runs", ".")) for name in names)
    (unpacked,) = tmp_path.iterdir()
    call(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path / "made", cwd=unpacked)
    (again,) = (tmp_path / "made").iterdir()
    first, second = (zipfile.ZipFile(path) for path in (wheel, again))
    assert sorted(first.namelist()) == sorted(second.namelist())
    assert [n for n in first.namelist() if first.read(n) != second.read(n)] == []


@pytest.mark.skipif(not LONG, reason="fetches what metrigen depends on")
@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_an_empty_environment(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """As ``pipx run`` does it: an environment of its own, and the program of the name of the distribution."""
    venv.create(tmp_path / "venv", with_pip=True)
    programs = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin")
    call(programs / "python", "-m", "pip", "install", "-q", request.getfixturevalue(kind), cwd=tmp_path, PYTHONPATH="")
    for arguments in (("--version",), ("new", "rope"), ("check", "rope.py"), ("build", "rope.py"), ("doctor",)):
        call(programs / "metrigen", *arguments, cwd=tmp_path, PYTHONPATH="")
    assert (tmp_path / "generated/rope/manifest.json").is_file()


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
