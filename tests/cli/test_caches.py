"""Every command that derives runs with the caches of SymPy that long expressions need, whoever imports SymPy first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from metrigen.caches import LENGTH
from tests.conftest import ROOT

RUN = """
import sys
from metrigen.cli import main
sys.argv[0] = "metrigen"
try:
    main()
except SystemExit:
    pass
from sympy.core.cache import SYMPY_CACHE_SIZE
print(SYMPY_CACHE_SIZE, file=sys.stderr)
"""
SPEC = str(ROOT / "specs/gallery/duffing.py")


@pytest.mark.parametrize(
    "arguments", [("build", "--check", SPEC), ("check", SPEC), ("diff", SPEC, SPEC), ("simulate", SPEC, "--steps", "1")]
)
def test_a_command_keeps_what_sympy_has_worked_out(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", RUN, *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert done.stderr.split()[-1] == str(LENGTH), done.stderr
