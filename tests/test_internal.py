"""A fault of the compiler leaves a build as an InternalError: it names the stage, the pass and the line, and asks to be
reported. Faults are planted here; a refusal and a fault of the spec's own lines stay what they are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

import metrigen
from metrigen import StructureError
from metrigen.build import compile_file, packages_of, report_file
from metrigen.cli import app
from metrigen.compiler import Compiled
from metrigen.errors import InternalError, MetrigenError, SpecError
from metrigen.ir.nodes import Program
from metrigen.passes import pipeline

SPEC = """
from metrigen import Field, Lattice, Strang, System, momentum, t

u = Field("u", Lattice())
v = momentum(u)

def bracket(F, G):
    return F[u] * G[v] - F[v] * G[u]

system = System(
    name="oscillator",
    domain=Lattice(),
    lagrangian=u.diff(t) ** 2 / 2 - u**2 / 2,
    bracket=bracket,
    integrator=Strang(steps=2, dt=0.1),
)
"""
STAGES = {
    "derive": "metrigen.compiler.derive",
    "discretise and vary": "metrigen.compiler.discretised",
    "optimise": "metrigen.compiler.optimised_programs",
    "print": "metrigen.compiler.package_texts",
    "check what is printed": "metrigen.build.package_files",
}


def planted(*arguments: object, **options: object) -> object:
    raise KeyError("a fault of ours")


def careless(program: Program) -> Program:
    raise ZeroDivisionError("division by zero")


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "oscillator.py").write_text(SPEC, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return Path("oscillator.py")


def built(spec: Path) -> Compiled:
    compiled = compile_file(spec, on_stage=lambda stage: None)
    packages_of([compiled], Path("generated"))
    return compiled


def test_without_a_fault_it_builds(spec: Path) -> None:
    assert built(spec).laws


@pytest.mark.parametrize("stage", STAGES)
def test_a_fault_names_its_stage_and_the_line_of_the_system(
    stage: str, spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(STAGES[stage], planted)
    with pytest.raises(InternalError) as caught:
        built(spec)
    error = caught.value
    assert (error.stage, error.what) == (stage, "KeyError: 'a fault of ours'")
    assert error.where == 'oscillator.py:11   name="oscillator"'
    assert isinstance(error.__cause__, KeyError)
    assert "please report it: send your spec" in str(error)
    assert not isinstance(error, MetrigenError)


def test_a_fault_of_a_pass_names_the_pass_and_its_line(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metrigen.programs.STEP", (*pipeline.STEP, careless))
    with pytest.raises(InternalError) as caught:
        built(spec)
    error = caught.value
    assert (error.stage, error.passed) == ("discretise and vary", "careless")
    assert error.what == "ZeroDivisionError: division by zero"
    assert error.at.startswith("metrigen/passes/pipeline.py:")  # the innermost line of the compiler


def test_show_names_it_too(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metrigen.package.report.derive", planted)
    with pytest.raises(InternalError, match="a fault of ours") as caught:
        report_file(spec)
    assert (caught.value.stage, caught.value.where) == ("derive", 'oscillator.py:11   name="oscillator"')


def test_what_is_printed_is_short_and_says_how_to_report(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metrigen.compiler.derive", planted)
    done = CliRunner().invoke(app, ["check", str(spec)])
    assert done.exit_code == 3
    lines = done.stderr.splitlines()
    assert lines[0] == "error: internal error of metrigen, not of your spec"
    rows = lines[1 : lines.index("")]
    assert [line.split()[0] for line in rows] == ["spec", "stage", "at", "why", "report"]
    assert lines[1] == '  spec     oscillator.py:11   name="oscillator"'
    assert lines[2] == "  stage    derive"
    block = lines[lines.index("") + 1 :]
    assert (block[0], block[-1]) == ("```text", "```")
    assert re.match(rf"metrigen {re.escape(metrigen.__version__)}, sympy [\d.]+, torch \S+", block[1])
    assert re.match(r"Python 3\.\d+\.\d+ on \S+", block[2])
    assert block[3].startswith("command: metrigen ")
    assert "Traceback (most recent call last):" in block
    assert "KeyError: 'a fault of ours'" in block


def test_a_line_of_the_spec_that_raises_is_an_error_of_the_spec(spec: Path) -> None:
    """A method of the spec's own is called in a stage, long after the spec was loaded."""
    own = "class Own(Strang):\n    def step(self, dynamics):\n        return {}['nothing']\n\n\nsystem ="
    spec.write_text(SPEC.replace("system =", own).replace("Strang(steps", "Own(steps"), encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        built(spec)
    assert caught.value.where == "oscillator.py:12   return {}['nothing']"
    assert caught.value.why == "KeyError: 'nothing'"


def test_a_refusal_stays_a_refusal(spec: Path) -> None:
    spec.write_text(SPEC.replace("- F[v] * G[u]", "+ F[v] * G[u]"), encoding="utf-8")
    with pytest.raises(StructureError) as caught:
        built(spec)
    assert str(caught.value.where).startswith("oscillator.py:14 ")
