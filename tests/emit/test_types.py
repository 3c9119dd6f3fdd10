"""Emitted Python has types that ``mypy --strict`` takes, but for Triton kernels; the whole gallery: METRIGEN_LONG=1."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from metrigen.build import compile_file
from metrigen.emit.package import package_files
from tests.bytes.systems import SYSTEMS
from tests.bytes.table import NAMES
from tests.conftest import ROOT
from tests.lattice.emitted import compiled
from tests.lengths import picked

# What a spec of its own kind emits: noise, edges that are driven, coupled tokens, implicit steps of a point.
SOME = ("specs/gallery/brownian_well.py", "specs/gallery/driven_graph.py", "specs/gallery/orthogonal_recurrence.py",
        "tests/ladder-midpoint-periodic-0")  # fmt: skip
SHIPPED = ("cifar", "lm", "maze", "sudoku")
# Strict but for what torch leaves untyped: torch.broadcast_shapes and Function.apply have no types, nor have the
# decorators of torch.compiler, and much of torch returns Any.
CONFIG = """
[mypy]
python_version = 3.10
strict = true
follow_imports = silent
ignore_missing_imports = true
disallow_untyped_calls = false
disallow_untyped_decorators = false
warn_return_any = false
"""
WRONG = """
def untyped(x):
    return x


def wrong(x: int) -> str:
    return x
"""


def emitted(name: str) -> dict[str, str]:
    if name.startswith("tests/"):
        return package_files(compiled(SYSTEMS[name.removeprefix("tests/")]()))
    return package_files(compile_file(Path(name), on_stage=lambda stage: None))


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder ``emitted`` of packages, their Python alone."""
    root = tmp_path_factory.mktemp("typed") / "emitted"
    for name in SHIPPED:
        shutil.copytree(ROOT / "generated" / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        for name in picked(NAMES, *SOME):
            folder = root / Path(name).stem.replace("-", "_").replace(".", "_")
            folder.mkdir(exist_ok=True)
            for file, text in emitted(name).items():
                if file.endswith(".py"):
                    (folder / file).write_text(text)
    return root


@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="needs mypy")
def test_emitted_python_passes_mypy_strictly(packages: Path) -> None:
    """And what is wrong in a package is seen by the same run."""
    (packages / "wrong").mkdir()
    (packages / "wrong" / "module.py").write_text(WRONG)
    (packages.parent / "mypy.ini").write_text(CONFIG)
    command = [sys.executable, "-m", "mypy", f"--cache-dir={ROOT / '.mypy_cache/of_emitted'}", "emitted"]
    found = subprocess.run(command, cwd=packages.parent, capture_output=True, text=True, check=False)
    lines = [line for line in found.stdout.splitlines() if "error:" in line]
    ours = [line for line in lines if not line.startswith(str(Path("emitted/wrong")))]
    assert not ours, "\n".join(ours)
    assert [code for code in ("no-untyped-def", "return-value") if f"[{code}]" in found.stdout] == [
        "no-untyped-def",
        "return-value",
    ], found.stdout + found.stderr


def test_triton_kernels_alone_are_left_out(packages: Path) -> None:
    for path in packages.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "type: ignore" not in text, path
        assert ("# mypy: ignore-errors\n# Triton's decorators" in text) == (path.name == "kernels.py"), path
        assert text.count("# mypy:") == (path.name == "kernels.py"), path
