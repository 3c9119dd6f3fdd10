"""The soak in small: it ends well, and a leak is found."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.soak import BOUND, soak

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/statm")


def test_it_ends_well() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak", "5"], cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "METRIGEN_CPU_KERNELS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "memory has not grown" in done.stdout


def test_a_leak_is_found() -> None:
    kept: list[bytearray] = []

    def leak() -> None:
        if len(kept) < 2 * BOUND:
            kept.append(bytearray(b"x" * 2**20))

    assert soak([leak], 1.0) > BOUND
    assert soak([lambda: None], 0.2) < 1
