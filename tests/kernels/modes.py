"""The two runs of the tests of kernels: as they are, and with Triton's interpreter in a process of its own."""

from __future__ import annotations

import os

import pytest

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
once = pytest.mark.skipif(INTERPRETED, reason="has no Triton kernel: the same in the run without the interpreter")
