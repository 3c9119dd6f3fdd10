"""The worked example of docs/concepts/graphs.md runs and prints what the page says."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests import processes
from tests.conftest import ROOT

PAGE = (ROOT / "docs/concepts/graphs.md").read_text(encoding="utf-8")


def test_the_worked_example(metrigen: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    spec, use = re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)
    (expected,) = re.findall(r"^```text\n(.*?)^```$", PAGE, re.M | re.S)
    (tmp_path / "club.py").write_text(spec, encoding="utf-8")
    (tmp_path / "use.py").write_text(use, encoding="utf-8")
    built = metrigen("build", "club.py", cwd=tmp_path)
    assert built.returncode == 0, built.stderr
    done = processes.python("use.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == expected
