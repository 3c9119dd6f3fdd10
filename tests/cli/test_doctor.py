"""``metrigen doctor``: what it finds is what a package finds; whatever is missing, it says so and ends well."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from generated.maze import cpu as emitted
from metrigen.backends.cpu import machine
from metrigen.backends.triton import machine as triton
from tests.cli.conftest import Invoke


def examined(invoke: Invoke) -> dict[str, Any]:
    code, out, err = invoke("doctor", "--json")
    assert (code, err) == (0, "")
    found: dict[str, Any] = json.loads(out)
    return found


@pytest.mark.parametrize("wish", ["", "g++", "g++ -O1", "nope", "'", "  "])
def test_the_compiler_is_that_of_a_package(monkeypatch: pytest.MonkeyPatch, wish: str) -> None:
    monkeypatch.setenv("CXX", wish)
    found = []
    for compiler in (machine.compiler, emitted.compiler):
        try:
            found.append(compiler())
        except FileNotFoundError as error:
            found.append((str(error),))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "variables", [{}, {"METRIGEN_CACHE": "kept"}, {"METRIGEN_CACHE": ""}, {"XDG_CACHE_HOME": "/x"}]
)
def test_the_cache_is_that_of_a_package(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name in ("METRIGEN_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert machine.cache_folder() == emitted.cache_folder()


def test_what_is_missing_is_said_with_the_reason(invoke: Invoke, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "file").write_text("")
    monkeypatch.setenv("CXX", "nope")
    monkeypatch.setenv("METRIGEN_CACHE", str(home / "file/cache"))
    monkeypatch.setattr(triton, "why_no_torch", lambda: "torch is not installed")
    found = examined(invoke)
    assert found["found"]["compiler"] == {"good": False, "text": "CXX='nope' names a compiler that is not there (nope)"}
    assert "file is no folder; set METRIGEN_CACHE" in found["found"]["cache"]["text"]
    assert found["runs"]["packages in torch"] == {"runs": False, "why_not": "torch is not installed"}
    assert found["runs"]["metrigen build"]["runs"]
    assert not found["runs"]["Triton kernels"]["runs"]


def test_openmp_is_tried_and_the_table_is_printed(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.why_no_openmp(("/bin/false",)) == "exit code 1"
    monkeypatch.setenv("METRIGEN_CPU_KERNELS", "0")
    code, out, _ = invoke("doctor")
    assert code == 0
    for part in ("Python", "sympy", "torch", "compiler", "cache", "GPU", "CPU kernels", "Triton kernels"):
        assert f"\n{part} " in out
    assert "METRIGEN_CPU_KERNELS=0 switches them off" in out or "no C++ compiler" in out


def test_a_row_is_printed_as_soon_as_it_is_found(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is quick does not wait for PyTorch."""

    def hangs() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("metrigen.doctor.triton.devices", hangs)
    _, out, _ = invoke("doctor")
    assert [line.split()[0] for line in out.splitlines()][:4] == ["found", "Python", "platform", "metrigen"]
    assert "\nGPU" not in out
