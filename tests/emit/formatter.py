"""The formatter and the linter that emitted Python is held against; a build needs neither."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

STYLE = ("--isolated", "--no-cache", "--line-length", "120", "--target-version", "py310")


def ruff(*arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ruff", *arguments]
    return subprocess.run(command, input=given, capture_output=True, text=True, check=False)


def formatted(text: str) -> str:
    """What ``ruff format`` makes of a text."""
    found = ruff("format", *STYLE, "-", given=text)
    assert found.returncode == 0, found.stderr
    return found.stdout


def faults(folder: Path) -> str:
    """What the formatter would change and the linter complains of below a folder; empty where nothing."""
    style = ruff("format", *STYLE, "--diff", str(folder))
    lint = ruff("check", *STYLE, "--select", "E,F,W", "--output-format", "concise", str(folder))
    for run in (style, lint):
        assert run.returncode in (0, 1), run.stderr
    return style.stdout + (lint.stdout if lint.returncode else "")
