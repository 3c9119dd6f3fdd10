"""The two runs of the tests of kernels: as they are, and with Triton's interpreter in a process of its own."""

from __future__ import annotations

import os

import pytest

from tests.lengths import LONG

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
once = pytest.mark.skipif(INTERPRETED, reason="has no Triton kernel: the same in the run without the interpreter")

# What opcheck looks at. Operators are traced, and their gradients compiled, by what is registered of them, the same in
# both runs: in a short one the run without the interpreter does that, a third of the time of the tests of operators.
TRACED = ("test_aot_dispatch_dynamic",)
CHECKED = ("test_schema", "test_autograd_registration", "test_faketensor", *(TRACED if LONG or not INTERPRETED else ()))
# Inductor is given the same calls of operators; what they compute in one graph is the interpreter's.
COMPILER = "inductor" if LONG or not INTERPRETED else "aot_eager"
