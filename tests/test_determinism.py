"""The same spec gives the same bytes: whatever the hash seed, the folder, the company and the order."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import is_dataclass
from pathlib import Path

import pytest

from metrigen.build import compile_file
from metrigen.package.tag import signed, unsigned
from tests.conftest import ROOT
from tests.lengths import picked

Run = Callable[..., "subprocess.CompletedProcess[str]"]
SEEDS = ("0", "1", "4242")
ALL = tuple(sorted(path.name for path in (ROOT / "specs").glob("*.py")))
SPECS = [f"specs/{name}" for name in picked(ALL, "lm.py", "maze.py", "sudoku.py")]  # one of every domain


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


@pytest.fixture(scope="module")
def trees(metrigen: Run, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, bytes]]:
    """Shipped specs, built once for each hash seed."""
    found = []
    for seed in SEEDS:
        out = tmp_path_factory.mktemp(f"seed{seed}")
        done = metrigen("build", *SPECS, "--out", out, PYTHONHASHSEED=seed)
        assert done.returncode == 0, done.stderr
        found.append(contents(out))
    return found


def test_three_hash_seeds_give_the_same_bytes(trees: list[dict[str, bytes]]) -> None:
    first, *others = trees
    assert any(name.endswith("module.py") for name in first)
    for other in others:
        assert sorted(other) == sorted(first)
        assert [name for name in first if first[name] != other[name]] == []


def test_company_and_order_change_nothing(trees: list[dict[str, bytes]], metrigen: Run, tmp_path: Path) -> None:
    for number, order in enumerate((reversed(SPECS), SPECS[:1])):
        assert metrigen("build", *order, "--out", tmp_path / str(number)).returncode == 0
        for name, data in contents(tmp_path / str(number)).items():
            assert data == trees[0][name], name


def test_the_folder_of_the_checkout_is_in_no_file(
    trees: list[dict[str, bytes]], root: Path, metrigen: Run, tmp_path: Path
) -> None:
    shutil.copytree(root / "specs", tmp_path / "specs", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "pyproject.toml").touch()  # the project that files are named in
    assert metrigen("build", "specs/maze.py", cwd=tmp_path).returncode == 0
    for name, data in contents(tmp_path / "generated").items():
        assert data == trees[0][name], name
        assert str(root).encode() not in data


def texts(spec: str) -> dict[str, str]:
    compiled = compile_file(Path(spec), on_stage=lambda stage: None)
    return dict(compiled.files)


@pytest.mark.parametrize("spec", ["specs/maze.py", "specs/sudoku.py", "specs/lm.py"])
def test_what_the_compiler_calls_its_classes_changes_nothing(
    spec: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No byte of a package is made from the ``repr`` of a dataclass: one may be renamed."""
    monkeypatch.chdir(root)
    before = texts(spec)
    modules = [module for name, module in sys.modules.items() if name.split(".")[0] == "metrigen"]
    kinds = {x for m in modules for x in vars(m).values() if isinstance(x, type) and is_dataclass(x)}
    called = {kind: kind.__qualname__ for kind in kinds}
    try:
        for kind, name in called.items():
            kind.__qualname__ = f"Renamed{name}"
        renamed = texts(spec)
    finally:
        for kind, name in called.items():
            kind.__qualname__ = name
    assert {file for file in before if renamed[file] != before[file]} == set()


def test_the_tag_of_the_operators_is_that_of_the_code() -> None:
    """What the head of a file says, and what is no code, changes no operator; a line of code does."""

    def tag(**changed: str) -> str:
        files = {"module.py": f'# made\nOPERATORS = "{unsigned("wave")}"\n', "kernels.cpp": "// made\nint a;\n"}
        files |= {"DERIVATION.md": "# Wave\n"} | {name.replace("_", "."): text for name, text in changed.items()}
        return signed("wave", files)["module.py"].split('"')[1]

    assert tag().startswith("wave_")
    assert tag().removeprefix("wave_").isalnum()
    assert tag(kernels_cpp="// made again\n// twice\nint a;\n") == tag() == tag(DERIVATION_md="")
    assert tag(kernels_cpp="// made\nint b;\n") != tag()


def locales() -> list[str]:
    """Those of the machine among some that differ in encoding, decimal point and case of letters."""
    found = shutil.which("locale")
    have = subprocess.run([found, "-a"], capture_output=True, text=True).stdout.lower().split() if found else []
    wanted = ("tr_TR.UTF-8", "de_DE.UTF-8", "ja_JP.EUC-JP")
    return ["C", *(name for name in wanted if name.lower().replace("-", "") in [x.replace("-", "") for x in have])]


SURROUNDINGS = {
    # No coercion: a true ASCII locale, in which a file that names no encoding is ASCII.
    **{f"locale {name}": {"LC_ALL": name, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"} for name in locales()},
    "Latin-1 streams": {"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"},
    "east": {"TZ": "Pacific/Kiritimati", "SOURCE_DATE_EPOCH": "0"},
    "west": {"TZ": "Etc/GMT+12", "PYTHONUTF8": "1"},
    "optimised": {"PYTHONOPTIMIZE": "2", "COLUMNS": "43", "HOME": "/nowhere", "USER": "nobody"},
}


BEYOND = '''"""Eine Welle, die ausklingt: Größe, 波, ıİ."""
from metrigen import *
point = Lattice()
u = Field("u", point)
system = System(name="wave", domain=point, lagrangian=u.diff(t)**2/2 - u**2/2, integrator=Leapfrog(steps=1, dt=0.1),
    readout=energy_density())
'''


@pytest.fixture(scope="module")
def expected(metrigen: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    """A spec with letters beyond ASCII, and what it gives here."""
    folder = tmp_path_factory.mktemp("beyond")
    (folder / "wave.py").write_text(BEYOND, encoding="utf-8")
    done = metrigen("build", folder / "wave.py", "--out", folder / "out")
    assert done.returncode == 0, done.stderr
    return folder / "wave.py", contents(folder / "out")


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_the_surroundings_change_nothing(
    expected: tuple[Path, dict[str, bytes]], metrigen: Run, tmp_path: Path, name: str
) -> None:
    """Locale, streams, time zone, width of the terminal, user."""
    spec, files = expected
    done = metrigen("build", spec, "--out", tmp_path, **SURROUNDINGS[name])
    assert done.returncode == 0, done.stderr
    assert any("Größe".encode() in data for data in files.values())
    assert contents(tmp_path) == files
