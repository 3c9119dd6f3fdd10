"""``metrigen diff``: the terms, laws and costs that differ, between files and revisions of git."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Invoke
from tests.conftest import ROOT

PENDULUM = (ROOT / "specs/gallery/pendulum.py").read_text(encoding="utf-8")


@pytest.fixture
def pair(home: Path) -> tuple[Path, Path]:
    """The pendulum, and one that is linear, damped and stepped by another method."""
    text = PENDULUM.replace("(1 - sp.cos(q))", "q**2 / 2").replace("Leapfrog(steps=8", "Strang(steps=4")
    text = text.replace(
        "    integrator=", "    metric=lambda F, G: w2 * F[momentum(q)] * G[momentum(q)],\n    integrator="
    )
    text = text.replace("Leapfrog", "Strang, momentum").replace("init=1.0", "init=2.0")
    (home / "a.py").write_text(PENDULUM, encoding="utf-8")
    (home / "b.py").write_text(text, encoding="utf-8")
    return home / "a.py", home / "b.py"


def compared(invoke: Invoke, *arguments: object) -> dict[str, Any]:
    code, out, err = invoke("diff", *arguments, "--json", "--quiet")
    assert (code, err) == (0, "")
    found = json.loads(out)
    return found | {"changes": {c["part"]: (c["lost"], c["gained"]) for c in found["changes"]}}


def test_terms_brackets_method_laws_and_cost(pair: tuple[Path, Path], invoke: Invoke) -> None:
    found = compared(invoke, "a.py", "b.py")
    changes = found["changes"]
    assert changes["Hamiltonian, H"] == (["-w2*cos(q)", "w2"], ["w2*q**2/2"])
    assert changes["Dissipative bracket, (F, G)"] == ([], ["w2*F[pi_q]*G[pi_q]"])
    assert changes["Equations of motion, pi_q_t"] == (["-w2*sin(q)"], ["-w2*pi_q", "-w2*q"])
    assert changes["integrator"] == (["Leapfrog(steps=8, dt=0.1)"], ["Strang(steps=4, dt=0.1)"])
    assert changes["parameter w2"] == (["per channel, positive, init 1.0"], ["per channel, positive, init 2.0"])
    assert found["laws"]["metric_psd"] == {"before": None, "now": "proved"}
    assert found["cost"]["step"]["ops"]["before"] != found["cost"]["step"]["ops"]["now"]
    back = compared(invoke, "b.py", "a.py")
    assert back["laws"]["metric_psd"] == {"before": "proved", "now": None}
    code, out, _ = invoke("diff", "a.py", "b.py", "-q")
    assert code == 0
    assert "Hamiltonian, H\n    - -w2*cos(q)\n    - w2\n    + w2*q**2/2\n" in out
    assert "laws won\n" in out
    assert max(map(len, out.splitlines())) <= 80


def test_the_same_physics_in_other_words(pair: tuple[Path, Path], invoke: Invoke) -> None:
    text = "# A comment.\n" + PENDULUM.replace("w2 * (1 - sp.cos(q))", "w2 + w2 * sp.cos(q)")
    (pair[0].parent / "c.py").write_text(text, encoding="utf-8")
    assert compared(invoke, "a.py", "c.py")["same"]
    assert invoke("diff", "a.py", "c.py", "-q")[1] == "the same physics\n"


def test_a_revision_of_git_with_what_it_imports(pair: tuple[Path, Path], invoke: Invoke) -> None:
    folder = pair[0].parent / "specs"
    folder.mkdir()
    (folder / "pendulum.py").write_text(PENDULUM, encoding="utf-8")
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        subprocess.run([*git, *command], check=True, capture_output=True)
    (folder / "pendulum.py").write_text(PENDULUM.replace("sp.cos(q)", "sp.cos(2 * q)"), encoding="utf-8")
    found = compared(invoke, "specs/pendulum.py")
    assert (found["before"], found["now"]) == ("specs/pendulum.py@HEAD", "specs/pendulum.py")
    assert found["changes"]["Hamiltonian, H"] == (["-w2*cos(q)"], ["-w2*cos(2*q)"])
    again = compared(invoke, "specs/pendulum.py@HEAD")
    assert (again["before"], again["now"], again["changes"]) == (found["before"], found["now"], found["changes"])
    for wrong, told in (("specs/pendulum.py@v9", "git has no"), ("specs/other.py@HEAD", "HEAD has no specs/other.py"),
                        ("a.py@HEAD", "git has no"), ("specs/pendulum.py@", "names no revision")):  # fmt: skip
        code, out, err = invoke("diff", wrong, "a.py", "-q")
        assert (code, out) == (1, "")
        assert told in err


def test_outside_git_two_files_are_asked_for(pair: tuple[Path, Path], invoke: Invoke) -> None:
    for given in ("a.py", "a.py@HEAD"):
        code, out, err = invoke("diff", given, "-q")
        assert (code, out) == (1, "")
        assert "git has no a.py@HEAD\n" in err
        assert "fix      give two files: metrigen diff A.py B.py" in err
