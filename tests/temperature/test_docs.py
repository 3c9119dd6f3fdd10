"""The worked example of docs/temperature.md runs and prints what the page says."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests import processes
from tests.conftest import ROOT

Run = Callable[..., "subprocess.CompletedProcess[str]"]
PAGE = (ROOT / "docs/temperature.md").read_text(encoding="utf-8")


def test_the_page(metrigen: Run, tmp_path: Path) -> None:
    spec, *use = re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)
    (text,) = re.findall(r"^```text\n(.*?)^```$", PAGE, re.M | re.S)
    (tmp_path / "bath.py").write_text(spec, encoding="utf-8")
    (tmp_path / "use.py").write_text("\n".join(use), encoding="utf-8")
    built = metrigen("build", "bath.py", cwd=tmp_path)
    assert built.returncode == 0, built.stderr
    assert "fluctuation_dissipation" in built.stdout
    done = processes.python("use.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    pairs = zip(re.findall(r"\d\.\d+", done.stdout), re.findall(r"\d\.\d+", text), strict=True)
    assert max(abs(float(a) - float(b)) for a, b in pairs) < 2e-3, done.stdout
    assert done.stdout.splitlines()[1] == "dT up with the spread of q"
