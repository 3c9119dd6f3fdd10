"""The command line, in processes of its own: what it prints, what it writes, how it ends."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import metrigen as package
from metrigen.console import error_text
from metrigen.errors import MetrigenError

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Snapshot = Callable[[Path], dict[str, tuple[str, int]]]
ESCAPE = "\x1b"


@pytest.fixture(scope="module")
def built(root: Path, metrigen: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """All shipped specs built into a folder, and what was printed."""
    out = tmp_path_factory.mktemp("built") / "generated"
    done = metrigen("build", "specs", "--out", out)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return out, done.stdout


def test_version(metrigen: Run) -> None:
    assert metrigen("--version").stdout == f"metrigen {package.__version__}\n"


def test_help_names_every_command(metrigen: Run) -> None:
    done = metrigen("--help")
    assert done.returncode == 0
    for command in ("build", "check", "show"):
        assert re.search(rf"^  {command} ", done.stdout, re.M)
        assert metrigen(command, "--help").returncode == 0


@pytest.mark.parametrize("arguments", [["build"], ["build", "--no-such-option"], ["no-such-command"], ["show"]])
def test_a_wrong_call_is_exit_code_2(metrigen: Run, arguments: list[str]) -> None:
    done = metrigen(*arguments)
    assert done.returncode == 2
    assert "Usage: metrigen" in done.stderr


def test_a_build_prints_a_line_a_stage_then_the_laws(built: tuple[Path, str], root: Path) -> None:
    out, printed = built
    for spec in sorted((root / "specs").glob("*.py")):
        assert f"specs/{spec.name}\n" in printed
        assert re.search(rf"^wrote +\S*{spec.stem} \(\d+ files\)$", printed, re.M)
        assert json.loads((out / spec.stem / "manifest.json").read_text())["spec"]["path"] == f"specs/{spec.name}"
    assert re.search(r"^  load +\d+\.\d\d s$", printed, re.M)
    assert re.search(r"^  \S+ +\d+\.\d\d s +\d+ equations?$", printed, re.M)
    assert re.search(r"^  \S.* ops \d+ -> \d+$", printed, re.M)
    assert re.search(r"^  law +verdict +how *$", printed, re.M)
    assert re.search(r"^  metric_psd +proved ", printed, re.M)


def test_output_fits_80_columns_and_has_no_escape_codes(built: tuple[Path, str]) -> None:
    out, printed = built
    assert ESCAPE not in printed
    assert max(len(line) for line in printed.splitlines() if str(out) not in line) <= 80


def test_building_again_changes_nothing(built: tuple[Path, str], metrigen: Run, snapshot: Snapshot) -> None:
    out, _ = built
    before = snapshot(out)
    done = metrigen("build", "specs/maze.py", "--out", out)
    assert done.returncode == 0
    assert "unchanged" in done.stdout
    assert snapshot(out) == before


def test_build_check_writes_nothing_and_shows_the_difference(
    built: tuple[Path, str], metrigen: Run, snapshot: Snapshot, tmp_path: Path
) -> None:
    out, _ = built
    assert metrigen("build", "specs/maze.py", "--out", out, "--check").returncode == 0
    stale = tmp_path / "stale"
    (stale / "maze").mkdir(parents=True)
    for file in (out / "maze").iterdir():
        (stale / "maze" / file.name).write_bytes(file.read_bytes())
    with (stale / "maze/__init__.py").open("a") as stream:
        stream.write("edited = True\n")
    (stale / "maze/DERIVATION.md").unlink()
    before = snapshot(stale)
    done = metrigen("build", "specs/maze.py", "--out", stale, "--check")
    assert done.returncode == 1
    assert "-edited = True" in done.stdout
    assert "missing: DERIVATION.md" in done.stdout
    assert f"metrigen build specs/maze.py --out {stale}" in done.stdout
    assert snapshot(stale) == before


def test_check_proves_and_writes_nothing(root: Path, metrigen: Run, tmp_path: Path) -> None:
    done = metrigen("check", root / "specs/maze.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "metric_symmetry" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_show_prints_the_derivation(metrigen: Run) -> None:
    plain = metrigen("show", "specs/cifar.py")
    assert plain.returncode == 0
    assert "  phi_t = pi_phi\n" in plain.stdout
    assert "Stress-energy tensor" in plain.stdout
    latex = metrigen("show", "specs/cifar.py", "--latex").stdout
    assert r"\partial_{t} \phi = \pi_{\phi}" in latex
    assert "| antisymmetry | proved |" in latex


def test_the_installed_program_is_the_same(root: Path) -> None:
    program = Path(sys.executable).with_name("metrigen")
    if not program.exists():
        program = Path(sys.executable).with_name("metrigen.exe")
    command = [str(program)] if program.exists() else [sys.executable, "-c", "from metrigen.cli import main; main()"]
    done = subprocess.run([*command, "--version"], cwd=root, capture_output=True, text=True, check=False)
    assert done.stdout == f"metrigen {package.__version__}\n"


def test_no_color_is_honoured_and_colour_is_for_terminals(metrigen: Run, tmp_path: Path) -> None:
    assert ESCAPE not in metrigen("show", "nothing.py").stderr
    assert ESCAPE in metrigen("show", "nothing.py", FORCE_COLOR="1").stderr
    assert "\x1b[1;31m" not in metrigen("show", "nothing.py", FORCE_COLOR="1", NO_COLOR="1").stderr


def test_an_error_wraps_with_a_hanging_indent_on_a_terminal() -> None:
    error = MetrigenError("what " * 30, where="specs/gas.py:21   metric=friction(gamma)", why="why " * 40, fix="a\nb")
    lines = error_text(error, 80).plain.splitlines()
    assert lines[0].startswith("error: what ")
    assert max(map(len, lines)) <= 80
    assert "  spec     specs/gas.py:21   metric=friction(gamma)" in lines
    assert lines[-2:] == ["  fix      a", "           b"]
    assert len(error_text(error).plain.splitlines()) == 5


FAULTY = """
import sys
import metrigen.build
def broken(*arguments):
    raise KeyError("a fault of ours")
metrigen.build.load_spec = broken
from metrigen.cli import main
main()
"""


@pytest.mark.parametrize("debug", [False, True])
def test_a_fault_of_the_compiler_is_short_and_asks_for_a_report(root: Path, debug: bool) -> None:
    arguments = ["check", "specs/maze.py", *(["--debug"] if debug else [])]
    done = subprocess.run(
        [sys.executable, "-c", FAULTY, *arguments], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "error: internal error of metrigen" in done.stderr
    assert "a fault of ours" in done.stderr
    assert "report" in done.stderr
    assert ("Traceback" in done.stderr) == debug
