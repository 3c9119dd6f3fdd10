"""The command line, in processes of its own: what it prints, what it writes, how it ends."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import metrigen as package
from metrigen.console import error_text
from metrigen.errors import MetrigenError
from tests.conftest import ROOT
from tests.lengths import picked

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Snapshot = Callable[[Path], dict[str, tuple[str, int]]]
ESCAPE = "\x1b"


SPECS = sorted((ROOT / "specs").glob("*.py"))
BUILT = picked(SPECS, ROOT / "specs/coupled_wave.py", ROOT / "specs/lm.py", ROOT / "specs/maze.py")


@pytest.fixture(scope="module")
def built(metrigen: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Shipped specs built into a folder at once, and what was printed; test_drift compiles every one of them."""
    out = tmp_path_factory.mktemp("built") / "generated"
    done = metrigen("build", *(["specs"] if BUILT == SPECS else [f"specs/{spec.name}" for spec in BUILT]), "--out", out)
    assert done.returncode == 0, done.stderr
    warned = re.findall(r"^warning: (.*)$", done.stderr, re.M)
    assert [line.split(" ")[0] for line in warned] == ["dt"], done.stderr  # of coupled_wave, which learns it
    assert max(map(len, done.stderr.splitlines())) <= 80
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


def test_a_build_prints_a_line_a_stage_then_the_laws(built: tuple[Path, str]) -> None:
    out, printed = built
    for spec in BUILT:
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
    assert done.returncode == 2
    assert "  edited since: __init__.py\n  changed: __init__.py\n  missing: DERIVATION.md\n" in done.stdout
    assert "-edited = True" not in done.stdout
    shown = metrigen("build", "specs/maze.py", "--out", stale, "--check", "--diff")
    assert shown.returncode == 2
    assert "-edited = True" in shown.stdout
    assert f"metrigen build specs/maze.py --out {stale}" in done.stdout
    assert snapshot(stale) == before


def test_check_proves_and_writes_nothing(root: Path, metrigen: Run, tmp_path: Path) -> None:
    done = metrigen("check", root / "specs/maze.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "metric_symmetry" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_show_prints_the_derivation(metrigen: Run) -> None:
    plain = metrigen("show", "specs/coupled_wave.py")
    assert plain.returncode == 0
    assert "  phi_t = pi_phi\n" in plain.stdout
    assert "Stress-energy tensor" in plain.stdout
    latex = metrigen("show", "specs/coupled_wave.py", "--latex").stdout
    assert r"\partial_{t} \phi = \pi_{\phi}" in latex
    assert "| antisymmetry | proved |" in latex


def test_show_reads_from_the_equations_to_the_limits(metrigen: Run) -> None:
    printed = metrigen("show", "specs/coupled_wave.py").stdout
    assert printed.startswith("coupled_wave: Damped, channel-coupled nonlinear wave")
    order = ["Hamiltonian\n", "Equations of motion\n", "Stress-energy tensor\n", "  law ", "Stencils\n",
             "Von Neumann analysis\n", "Integrator and limits\n"]  # fmt: skip
    places = [printed.index(title) for title in order]
    assert places == sorted(places)
    assert "lattice_noether" in printed
    assert "lost: the momentum along x" in printed
    assert "Its step limit is dt = 0.7027 there." in printed
    assert ESCAPE not in printed
    assert max(map(len, printed.splitlines())) <= 80
    colour = metrigen("show", "specs/coupled_wave.py", FORCE_COLOR="1", COLUMNS="80").stdout
    assert ESCAPE in colour
    assert re.sub(r"\x1b\[[0-9;]*m", "", colour) == printed
    plain = metrigen("show", "specs/coupled_wave.py", FORCE_COLOR="1", NO_COLOR="1").stdout
    assert not re.search(r"\x1b\[3\dm", plain)
    assert re.search(r"\x1b\[3\dm", colour)


FREE = """
import sympy as sp
from metrigen import Field, Lattice, System
x = sp.Symbol("x", real=True)
u = Field("u", Lattice(x))
system = System(name="free", domain=Lattice(x), fields=(u,), hamiltonian=u.diff(x)**2/2,
                metric=lambda F, G: SIGN * F[u] * G[u])
"""


def test_show_without_an_integrator(metrigen: Run, tmp_path: Path) -> None:
    (tmp_path / "free.py").write_text(FREE.replace("SIGN * ", ""), encoding="utf-8")
    done = metrigen("show", "free.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "dH/du =" in done.stdout
    assert "The spec has no integrator: it derives, and does not build." in done.stdout
    assert metrigen("show", "free.py", "--html", cwd=tmp_path).stdout == "free.html\n"
    assert "does not build" in (tmp_path / "free.html").read_text(encoding="utf-8")
    cost = metrigen("show", "free.py", "--cost", cwd=tmp_path)
    assert cost.returncode == 1
    assert "there is no cost to show" in cost.stderr


def test_show_html_writes_one_page_and_prints_its_path(metrigen: Run, root: Path, tmp_path: Path) -> None:
    spec = root / "specs/maze.py"
    assert metrigen("show", spec, "--html", cwd=tmp_path).stdout == "maze.html\n"
    assert metrigen("show", spec, "--html", "page.html", cwd=tmp_path).stdout == "page.html\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["maze.html", "page.html"]
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert text == (tmp_path / "maze.html").read_text(encoding="utf-8")
    assert "<title>maze: derivation</title>" in text
    lost = metrigen("show", spec, "--html", "missing/page.html", cwd=tmp_path)
    assert lost.returncode == 1
    assert "error: the file cannot be written" in lost.stderr
    assert "fix" in lost.stderr
    assert not (tmp_path / "missing").exists()


def test_a_refused_spec_leaves_no_page(metrigen: Run, tmp_path: Path) -> None:
    (tmp_path / "free.py").write_text(FREE.replace("SIGN", "-1"), encoding="utf-8")
    (tmp_path / "free.html").write_text("before", encoding="utf-8")
    done = metrigen("show", "free.py", "--html", cwd=tmp_path)
    assert done.returncode == 1
    assert "witness" in done.stderr
    assert (tmp_path / "free.html").read_text(encoding="utf-8") == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["free.html", "free.py"]


def test_show_cost(metrigen: Run) -> None:
    done = metrigen("show", "specs/coupled_wave.py", "--cost", "--shape", "1,8,64,64", "--bandwidth", "100")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^  program +kern +maps +\+ - +\* +/ +func +bytes +op/byte$", done.stdout, re.M)
    fused = re.search(r"^  forward, 8 steps fused +\d+ +16 +\S+ +(\S+) ms$", done.stdout, re.M)
    assert fused
    assert float(fused[1]) == pytest.approx(16 * 8 * 64 * 64 / 100e9 * 1e3, rel=1e-2)
    assert "100 GB/s" in done.stdout
    assert "Recomputed: the 7 states between" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    steady = metrigen("show", "specs/maze.py", "--cost").stdout
    assert "Solved again" in steady
    wrong = metrigen("show", "specs/coupled_wave.py", "--cost", "--shape", "1,8")
    assert wrong.returncode == 1
    assert "--shape 32,64,32,32" in wrong.stderr


@pytest.mark.parametrize(
    "arguments",
    [["--shape", "1,x"], ["--shape", "0,1,1,1"], ["--bandwidth", "0"], ["--html", "--cost"], ["page.html"]],
)
def test_show_refuses_a_wrong_call(metrigen: Run, arguments: list[str]) -> None:
    assert metrigen("show", "specs/maze.py", *arguments).returncode == 2


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


def test_a_fault_of_the_compiler_ends_with_a_block_to_report(root: Path) -> None:
    arguments = ["check", "specs/maze.py"]
    done = subprocess.run(
        [sys.executable, "-c", FAULTY, *arguments], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert "error: internal error of metrigen" in done.stderr
    assert "a fault of ours" in done.stderr
    assert "command: metrigen check specs/maze.py" in done.stderr
    assert done.stderr.count("Traceback") == 1
    assert done.stdout == "specs/maze.py\n"  # what is checked is said first


def test_tune_says_what_it_needs(metrigen: Run) -> None:
    """A shape of at least (B, C), and a GPU."""
    short = metrigen("tune", "generated/coupled_wave", "--shape", "3")
    assert short.returncode == 2
    assert "--shape takes 2 or more" in short.stderr
    if not torch.cuda.is_available():
        done = metrigen("tune", "generated/coupled_wave")
        assert done.returncode == 1
        assert "tune needs a GPU" in done.stderr


def test_a_reader_who_stops_reading_does_not_stop_the_build(root: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "metrigen", "build", str(root / "specs/maze.py")]
    env = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env) as running:
        assert running.stdout is not None
        running.stdout.readline()
        running.stdout.close()
        assert running.stderr is not None
        assert running.stderr.read() == b""
    assert running.returncode == 0
    assert (tmp_path / "generated/maze/manifest.json").is_file()
