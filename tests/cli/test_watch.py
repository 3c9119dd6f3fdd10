"""``metrigen build --watch``: a change builds again, a refusal waits for the next one, Ctrl-C ends well."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from metrigen.cli import watching
from tests.cli.conftest import Invoke
from tests.conftest import ROOT


def test_it_builds_again_until_it_is_stopped(invoke: Invoke, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = home / "pendulum.py"
    good = (ROOT / "specs/gallery/pendulum.py").read_text(encoding="utf-8")
    (home / "numbers_beside.py").write_text("DT = 0.1\n")
    beside = good.replace("import sympy as sp\n", "import sympy as sp\nfrom numbers_beside import DT\n")
    spec.write_text(beside.replace("dt=0.1", "dt=DT"), encoding="utf-8")
    monkeypatch.syspath_prepend(str(home))
    edits = [
        lambda: spec.write_text(spec.read_text().replace("w2 * (1", "w3 * (1")),  # refused: no such name
        lambda: spec.write_text(spec.read_text().replace("w3 * (1", "w2 * (1")),
        lambda: (home / "numbers_beside.py").write_text("DT = 0.25\n"),
    ]
    built: list[str] = []

    def sleep(seconds: float) -> None:
        file = home / "generated/pendulum/module.py"
        built.append(file.read_text(encoding="utf-8") if file.exists() else "")
        if not edits:
            raise KeyboardInterrupt
        edits.pop(0)()

    monkeypatch.setattr(watching.time, "sleep", sleep)
    code, out, err = invoke("build", "pendulum.py", "--watch")
    assert code == 0, err
    assert err.endswith("stopped\n")
    assert "w3" in err
    assert out.count("wrote ") == 2
    assert out.count("unchanged ") == 1
    assert "changed: numbers_beside.py\n" in out
    assert built[0] == built[1] == built[2]
    assert "default 0.1)" in built[2]
    assert "default 0.25)" in built[3]


def test_what_is_seen_as_a_change(tmp_path: Path) -> None:
    spec = tmp_path / "a.py"
    spec.write_text("1")

    def seen(paths: Sequence[Path] = (spec,)) -> watching.Stamps:
        return watching.stamps(paths)

    before = seen()
    assert seen([tmp_path]) == before
    spec.write_text("12")
    (tmp_path / "b.py").write_text("")
    assert watching.wait([spec], before) == [spec, tmp_path / "b.py"]
    spec.unlink()
    assert watching.wait([spec], before) == [spec, tmp_path / "b.py"]


@pytest.mark.parametrize("option", ["--check", "--json"])
def test_it_goes_alone(invoke: Invoke, option: str) -> None:
    assert invoke("build", "a.py", "--watch", option)[0] == 2
