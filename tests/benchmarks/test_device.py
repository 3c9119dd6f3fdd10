"""The checks for a GPU run through on a CPU, in Triton's interpreter, at tiny sizes; a fault in a package is told."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytest.importorskip("triton")


def run(out: Path, *more: str, **environment: str) -> tuple[int, list[dict[str, object]], str]:
    """Exit code, results and output."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.device", "--smoke", "--out", str(out), *more], cwd=ROOT, timeout=400,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    file = out / "results.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return done.returncode, lines, done.stdout + done.stderr


def test_smoke(tmp_path: Path) -> None:
    names = ("cifar_dissipative", "maze", "lm")
    code, lines, text = run(tmp_path, "--packages", "generated", "--names", *names)
    assert code == 0, text
    assert {line["part"] for line in lines} == {"correct", "hazard", "environment", "time", "warps", "piece"}
    for name in names:
        for part in ("correct", "hazard", "time"):
            assert any(line["part"] == part and name in str(line["case"]) for line in lines), (part, name)
    assert all(line["ok"] is True for line in lines)


def test_a_wrong_kernel_is_told(tmp_path: Path) -> None:
    package = tmp_path / "broken" / "cifar_dissipative"
    shutil.copytree(ROOT / "generated" / "cifar_dissipative", package)
    file = package / "kernels.py"
    text = file.read_text()
    right, wrong = "dt = tl.load(dt_ptr).to(ACC)", "dt = 1.01 * tl.load(dt_ptr).to(ACC)"
    assert right in text
    file.write_text(text.replace(right, wrong))
    out = tmp_path / "out"
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); from benchmarks.device.run import Run; "
        "from benchmarks.device.correct import correct; Path(sys.argv[2]).mkdir(); "
        "correct(Run(Path(sys.argv[2]) / 'results.jsonl', (), True), 'broken.cifar_dissipative')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), str(out)], cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TRITON_INTERPRET": "1", "METRIGEN_CPU_KERNELS": "0"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert lines
    assert not any(line["ok"] for line in lines)


def test_no_package(tmp_path: Path) -> None:
    code, lines, text = run(tmp_path, "--packages", str(tmp_path))
    assert code == 1
    assert not lines
    assert "no emitted package" in text
