"""The page of what the kernels take of a GPU says what they take."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("triton")
from benchmarks import gpu
from tests import processes
from tests.kernels.modes import once
from tests.lengths import LONG

ONLY = "" if LONG else "K = 2 | 16 x 16"


def lines(columns: int) -> list[list[str]]:
    """The lines of the table of the page that has so many columns."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in gpu.PAGE.read_text().splitlines()
            if line.startswith("|") and "---" not in line]  # fmt: skip
    return [row for row in rows if len(row) == columns]


@once
def test_the_page_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = gpu.interpreted(tmp_path, ONLY)
    assert len(found) >= 3
    told = {" | ".join(row[:3]): row[3:5] for row in lines(8)}
    assert {name: [f"{one['bytes']:.1f}", str(one["launches"])] for name, one in found.items()} == {
        name: told[name] for name in found
    }
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    stack = {(row[1], row[2]): int(row[5]) for row in lines(8) if row[2].endswith("_kernel")}
    for name, one in found.items():
        for launch in one["kernels"]:
            registers, spilled, _, _ = gpu.compiled(launch)
            assert registers <= 255
            assert spilled <= stack[name.split(" | ")[1], launch["kernel"]], launch["kernel"]


@once
def test_traffic_counts_every_address_once(tmp_path: Path) -> None:
    """A copy of a row of 10 numbers, read twice by every program: 40 bytes each way; and an operation of PyTorch."""
    program = tmp_path / "copies.py"
    program.write_text(COPIES, encoding="utf-8")
    done = processes.python(program, fork=False, TRITON_INTERPRET="1", PYTHONPATH=str(gpu.PAGE.parents[1]))
    assert done.stdout.split() == ["40", "40", "add", "120"], done.stderr


COPIES = """
import torch, triton
import triton.language as tl
from benchmarks.traffic import traffic

@triton.jit
def copy_kernel(x_ptr, y_ptr, N: tl.constexpr):
    at = tl.arange(0, 16)
    first = tl.load(x_ptr + at, mask=at < N, other=0.0)
    tl.store(y_ptr + at, first + 0 * tl.load(x_ptr + at, mask=at < N, other=0.0), mask=at < N)

x, y = torch.ones(10), torch.ones(10)
found = traffic(lambda: (copy_kernel[(2,)](x, y, N=10), x + y, x.view(2, 5)))
print(found.launches[0].read, found.launches[0].written, *found.operations[0])
"""
