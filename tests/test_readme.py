"""What the README says works: its spec, its Python, its commands, its files."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bytes import table
from tests.conftest import ROOT

Run = Callable[..., "subprocess.CompletedProcess[str]"]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.M | re.S)


def commands() -> list[list[str]]:
    lines = [line for block in blocks("bash") for line in block.splitlines()]
    return [shlex.split(line, comments=True) for line in lines if line.strip()]


COMMANDS = [command[1:] for command in commands() if command[0] == "metrigen"]


@pytest.fixture(scope="module")
def work(metrigen: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the spec of the README, built, and the shipped specs."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "wave.py").write_text(blocks("python")[0], encoding="utf-8")
    shutil.copytree(ROOT / "specs", folder / "specs", ignore=shutil.ignore_patterns("__pycache__"))
    done = metrigen("build", "wave.py", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_spec_is_short_and_gives_the_files_named(work: Path) -> None:
    assert len([line for line in blocks("python")[0].splitlines() if line.strip()]) <= 22
    table = README[README.index("which imports torch") : README.index("import torch\n")]
    for name in re.findall(r"^\| `([\w.]+)` \|", table, re.M):
        assert (work / "generated/wave" / name).is_file(), name


def test_the_python_runs(work: Path) -> None:
    program = blocks("python")[1] + "\nassert features.shape[2:] == (32, 32) and energy.shape == (2,)\n"
    done = subprocess.run([sys.executable, "-c", program], cwd=work, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_the_commands_run(arguments: list[str], work: Path, metrigen: Run) -> None:
    if "--check" in arguments:
        metrigen("build", *[argument for argument in arguments[1:] if argument != "--check"], cwd=work)
    done = metrigen(*arguments, cwd=work)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_two_commands_exist() -> None:
    calls = [command for command in commands() if command[0] == "python3"]
    assert [command[:2] for command in calls] == [["python3", "dev.py"]] * 2
    for command in calls:
        assert re.search(rf'"{command[2]}": {command[2]}\b', (ROOT / "dev.py").read_text())
    usage = subprocess.run([sys.executable, "dev.py"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert usage.returncode == 1
    assert "dev.py demo" in usage.stderr


def test_ci_runs_the_second_command() -> None:
    assert "python3 dev.py test" in (ROOT / ".ci/run").read_text()


def test_the_figures_of_the_gallery() -> None:
    """How many systems there are, and which kernels their packages have, by the table of what is emitted."""
    emitted = {name: files for name, files in table.read().items() if name.startswith("specs/gallery/")}
    kernels = [("kernels.cpp" in files, "kernels.py" in files) for files in emitted.values()]
    count = [kernels.count(pair) for pair in ((True, True), (True, False), (False, False))]
    row = next(line for line in README.splitlines() if line.startswith("| `specs/gallery` |"))
    assert [int(number) for number in re.findall(r"\d+", row)] == [len(list(ROOT.glob("specs/gallery/*.py"))), *count]
    assert len(kernels) == sum(count)


def test_files_and_folders_named_exist() -> None:
    layout = README[README.index("## Layout") : README.index("## Limits")]
    names = re.findall(
        r"`([\w/]+)`", "".join(line.split("|")[1] for line in layout.splitlines() if line.startswith("| `"))
    )
    assert names
    for name in [*names, *re.findall(r"\]\((?!http)([^)#]+)\)", README)]:
        assert (ROOT / name).exists(), name
