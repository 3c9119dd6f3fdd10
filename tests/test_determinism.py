"""The same spec gives the same bytes: whatever the hash seed, the folder, the company and the order."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]
SEEDS = ("0", "1", "4242")


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


@pytest.fixture(scope="module")
def trees(metrigen: Run, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, bytes]]:
    """All shipped specs, built once for each hash seed."""
    found = []
    for seed in SEEDS:
        out = tmp_path_factory.mktemp(f"seed{seed}")
        done = metrigen("build", "specs", "--out", out, PYTHONHASHSEED=seed)
        assert done.returncode == 0, done.stderr
        found.append(contents(out))
    return found


def test_three_hash_seeds_give_the_same_bytes(trees: list[dict[str, bytes]]) -> None:
    first, *others = trees
    assert any(name.endswith("module.py") for name in first)
    for other in others:
        assert sorted(other) == sorted(first)
        assert [name for name in first if first[name] != other[name]] == []


def test_company_and_order_change_nothing(
    trees: list[dict[str, bytes]], root: Path, metrigen: Run, tmp_path: Path
) -> None:
    specs = sorted((root / "specs").glob("*.py"))
    for number, order in enumerate((reversed(specs), specs[:1])):
        names = [f"specs/{spec.name}" for spec in order]
        assert metrigen("build", *names, "--out", tmp_path / str(number)).returncode == 0
        for name, data in contents(tmp_path / str(number)).items():
            assert data == trees[0][name], name


def test_the_folder_of_the_checkout_is_in_no_file(
    trees: list[dict[str, bytes]], root: Path, metrigen: Run, tmp_path: Path
) -> None:
    shutil.copytree(root / "specs", tmp_path / "specs", ignore=shutil.ignore_patterns("__pycache__"))
    assert metrigen("build", "specs/maze.py", cwd=tmp_path).returncode == 0
    for name, data in contents(tmp_path / "generated").items():
        assert data == trees[0][name], name
        assert str(root).encode() not in data
