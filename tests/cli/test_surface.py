"""What all commands share: examples at the end of ``--help``, ``--json``, ``--quiet``, exit codes, completion."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sympy as sp

from metrigen.cli.app import COMMANDS
from metrigen.cli.exits import MEANINGS
from metrigen.drift_notation import plain
from metrigen.emit.derivation import sections
from metrigen.physics.derive import derive
from metrigen.spec.load import load_spec
from tests.cli.conftest import Invoke
from tests.conftest import ROOT
from tests.lengths import LONG

Run = Callable[..., "subprocess.CompletedProcess[str]"]
NAMES = [name for name, _, _ in COMMANDS]
SPEC = (ROOT / "specs/gallery/pendulum.py").read_text(encoding="utf-8")


@pytest.fixture
def spec(home: Path) -> Path:
    (home / "pendulum.py").write_text(SPEC, encoding="utf-8")
    return home / "pendulum.py"


@pytest.mark.parametrize("name", NAMES)
def test_help_ends_with_examples_and_fits_80_columns(invoke: Invoke, name: str) -> None:
    code, out, _ = invoke(name, "--help")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    head, examples = out.split("  Examples:\n")
    lines = [line.strip() for line in examples.strip().splitlines()]
    assert len(lines) >= 2
    assert all(f"metrigen {name}" in line for line in lines)
    for option in ("--json", "--quiet", "--debug"):
        assert f" {option} " in head


def shipped_examples() -> list[list[str]]:
    """The examples of all commands that name a spec of the repository, as arguments, what is said of them cut off."""
    found = []
    for _, _, text in COMMANDS:
        for line in text.strip().splitlines():
            words = shlex.split(re.split(r"\s{2,}| > ", line.strip())[0])[1:]
            if any(word.startswith("specs/") for word in words) and "--watch" not in words and words[0] != "new":
                found.append(words)
    return found


def cheap(words: list[str]) -> bool:
    """What takes well under a second: no folder of specs, no large package."""
    return words[0] in ("simulate", "cite") or words[:2] in (["show", "specs/maze.py"], ["diff", "specs/maze.py"])


@pytest.mark.parametrize("words", [w for w in shipped_examples() if LONG or cheap(w)], ids=" ".join)
def test_an_example_of_a_help_text_runs(invoke: Invoke, home: Path, words: list[str]) -> None:
    shutil.copytree(ROOT / "specs", home / "specs", ignore=shutil.ignore_patterns("__pycache__"))
    if words[0] == "diff":
        git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c"]
        for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"], ["tag", "v1"]):
            subprocess.run([*git, *command], check=True, capture_output=True)
    if "--check" in words:
        assert invoke("build", *[w for w in words[1:] if w not in ("--check", "--diff")])[0] == 0
    short = ["--steps", "4", "--no-pictures"] if words[0] == "simulate" else []
    code, _, err = invoke(*words, *short)
    assert code == 0, err


def test_every_command_that_takes_a_spec_has_an_example_that_runs() -> None:
    assert {words[0] for words in shipped_examples()} >= {"build", "check", "show", "diff", "simulate", "cite"}
    assert {words[0] for words in shipped_examples() if cheap(words)} == {"show", "diff", "simulate", "cite"}


def test_the_help_of_the_program_names_commands_and_exit_codes(invoke: Invoke) -> None:
    code, out, _ = invoke("--help")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    for name in NAMES:
        assert f"\n  {name} " in out
    for number, meaning in MEANINGS.items():
        assert f"\n    {number}  {meaning}\n" in out
    assert "Examples:" in out


CALLS: list[list[str]] = [
    ["new", "rope"],
    ["list", "--no-gallery"],
    ["build", "pendulum.py"],
    ["check", "pendulum.py"],
    ["show", "pendulum.py"],
    ["show", "pendulum.py", "--latex"],
    ["show", "pendulum.py", "--html"],
    ["show", "pendulum.py", "--cost"],
    ["show", "pendulum.py", "--backends"],
    ["diff", "pendulum.py", "pendulum.py"],
    ["simulate", "pendulum.py", "--steps", "2", "--no-pictures"],
    ["cite", "pendulum.py"],
    ["doctor"],
]


@pytest.mark.parametrize("call", CALLS, ids=" ".join)
def test_json_is_alone_on_stdout_and_quiet_tells_nothing(invoke: Invoke, spec: Path, call: list[str]) -> None:
    code, out, err = invoke(*call, "--json", "--quiet")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert (found["command"], found["exit"]) == (call[0], 0)
    assert len(found) > 2


def test_every_command_but_the_one_for_gpus_is_called_above() -> None:
    assert {call[0] for call in CALLS} == {*NAMES} - {"tune"}


def test_progress_goes_to_stderr_beside_json(invoke: Invoke, spec: Path) -> None:
    code, out, err = invoke("build", spec, "--json")
    (row,) = json.loads(out)["packages"]
    assert code == 0
    assert (row["package"], row["state"], row["name"]) == ("generated/pendulum", "wrote", "pendulum")
    assert "antisymmetry" in {law["name"] for law in row["laws"] if law["verdict"] == "proved"}
    assert "wrote     generated/pendulum" in err
    assert invoke("build", spec, "--quiet") == (0, "", "")


def outcome(invoke: Invoke, *arguments: object) -> tuple[int, dict[str, Any], str]:
    code, out, err = invoke(*arguments, "--json", "--quiet")
    return code, json.loads(out), err


def test_exit_code_1_is_a_refusal_with_its_parts(invoke: Invoke, spec: Path) -> None:
    wrong = "    metric=lambda F, G: -w2 * F[momentum(q)] * G[momentum(q)],\n    integrator="
    text = SPEC.replace("    integrator=", wrong).replace("Leapfrog", "Strang, momentum", 1)
    spec.write_text(text.replace("Leapfrog(", "Strang("), encoding="utf-8")
    code, found, err = outcome(invoke, "check", spec)
    assert (code, found["exit"]) == (1, 1)
    assert found["error"]["kind"] == "StructureError"
    assert found["error"]["law"] == "metric_psd"
    assert found["error"]["see"] == "docs/reference/refusals.md#law-metric-psd"
    assert "gives" in found["error"]["witness"]
    assert found["error"]["spec"].startswith("pendulum.py:")
    assert err.startswith("error: ")


def test_exit_code_2_is_drift_with_a_summary(invoke: Invoke, spec: Path) -> None:
    assert invoke("build", spec, "-q")[0] == 0
    assert outcome(invoke, "build", spec, "--check")[:2][0] == 0
    spec.write_text(SPEC.replace("1 - sp.cos(q)", "q**2 / 2").replace("steps=8", "steps=4"), encoding="utf-8")
    code, found, _ = outcome(invoke, "build", spec, "--check")
    (row,) = found["packages"]
    assert (code, found["exit"], row["state"]) == (2, 2, "not up to date")
    drift = row["drift"]
    assert drift["causes"][0] == "the spec has changed since"
    assert "integrator: Leapfrog(dt=0.1, steps=8) -> Leapfrog(dt=0.1, steps=4)" in drift["causes"][1]
    assert "module.py" in drift["files"]["changed"]
    assert any("Hamiltonian" in term and "loses" in term and "w2*cos(q)" in term for term in drift["terms"])
    assert any("Hamiltonian" in term and "gains" in term and "w2*q**2/2" in term for term in drift["terms"])
    assert not any("\\" in term for term in drift["terms"])
    assert "diff" not in drift
    assert "+" in outcome(invoke, "build", spec, "--check", "--diff")[1]["packages"][0]["drift"]["diff"][0]
    code, out, _ = invoke("check", spec, "-q")
    assert code == 0  # a proof holds, whatever is built
    assert out.startswith("generated/pendulum is not up to date\n  the spec has changed since\n")
    gone = outcome(invoke, "build", spec, "--check", "--out", "elsewhere")
    assert (gone[0], gone[1]["packages"][0]["state"]) == (2, "not built")


@pytest.mark.parametrize("option", [("--bandwidth", "40"), ("--shape", "1,2")])
def test_figures_of_the_cost_without_the_cost_are_a_wrong_call(
    invoke: Invoke, spec: Path, option: tuple[str, str]
) -> None:
    code, _, err = invoke("show", spec, *option)
    assert code == 2
    assert f"{option[0]} goes with --cost or --html" in err
    assert invoke("show", spec, *option, "--cost", "-q")[0] == 0


def test_exit_code_3_is_a_fault_of_ours(invoke: Invoke, spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> None:
        raise KeyError("a fault of ours")

    monkeypatch.setattr("metrigen.compiler.derive", broken)
    code, found, err = outcome(invoke, "check", spec)
    assert (code, found["exit"], found["error"]["kind"]) == (3, 3, "InternalError")
    assert "```text\nmetrigen " in err
    assert err.rstrip().endswith("```")


def test_another_version_and_a_package_without_a_manifest_are_told(invoke: Invoke, spec: Path) -> None:
    assert invoke("build", spec, "-q")[0] == 0
    manifest = spec.parent / "generated/pendulum/manifest.json"
    manifest.write_text(manifest.read_text().replace('"sympy": "1', '"sympy": "0'))
    causes = outcome(invoke, "build", spec, "--check")[1]["packages"][0]["drift"]["causes"]
    assert len(causes) == 1
    assert causes[0].startswith("built with sympy 0")
    manifest.unlink()
    assert outcome(invoke, "build", spec, "--check")[1]["packages"][0]["drift"]["causes"] == ["there is no manifest"]


@pytest.mark.parametrize("name", ["maze", "cifar_dissipative", "gallery/sine_gordon", "gallery/pendulum"])
def test_the_plain_notation_says_what_the_latex_says(name: str) -> None:
    """Every formula of a derivation, read back from its LaTeX, is the expression that ``metrigen diff`` prints."""
    words = re.compile(r"(\w)\[(\w+)\]")
    formulas = [f for s in sections(derive(load_spec(ROOT / f"specs/{name}.py").system)) for f in s.formulas]
    assert len(formulas) > 4
    for formula in formulas:
        _, _, right = formula.latex().rpartition(" = ")
        texts = [words.sub(r"\1__\2", found) for found in (plain(right), formula.text().partition(" = ")[2])]
        texts = [found.replace("max(", "Max(").replace("lam", "LAM").replace("LAMbda", "LAM") for found in texts]
        known = ("cos", "sin", "Max", "sqrt")
        found = {n for found in texts for n in re.findall(r"[A-Za-z]\w*", found) if n not in known}
        names = {name: sp.Symbol(name) for name in found}
        one, other = (sp.sympify(found, locals=names) for found in texts)
        assert sp.simplify(one - other) == 0, texts
        if name == "gallery/pendulum":
            assert plain(formula.latex()).endswith(formula.text())


def test_a_package_of_a_project_is_the_same_outside_one(invoke: Invoke, home: Path) -> None:
    """Built under specs/pendulum.py, looked at where no pyproject.toml and no .git marks a root."""
    project, place = home / "project", home / "place"
    (project / "specs").mkdir(parents=True)
    (project / "pyproject.toml").touch()
    (project / "specs/pendulum.py").write_text(SPEC, encoding="utf-8")
    assert invoke("build", "project/specs/pendulum.py", "--out", "project/generated", "-q")[0] == 0
    shutil.copytree(project, place, ignore=shutil.ignore_patterns("pyproject.toml"))
    given = ("place/specs/pendulum.py", "--out", "place/generated")
    assert outcome(invoke, "build", *given, "--check")[0] == 0
    assert json.loads(invoke("list", *given, "--no-gallery", "--json")[1])["specs"][0]["state"] == "up to date"
    with (place / "generated/pendulum/module.py").open("a") as stream:
        stream.write("# mine\n")
    code, found, _ = outcome(invoke, "build", *given, "--check")
    drift = found["packages"][0]["drift"]
    assert code == 2
    assert (drift["causes"], drift["files"]) == (["edited since: module.py"], {"changed": ["module.py"]})
    (place / "specs/pendulum.py").write_text(SPEC.replace("steps=8", "steps=4"), encoding="utf-8")
    causes = outcome(invoke, "build", *given, "--check")[1]["packages"][0]["drift"]["causes"]
    assert causes[0] == "the spec has changed since"
    assert causes[-1] == "edited since: module.py"
    assert invoke("build", *given, "-q")[0] == 0
    assert json.loads((place / "generated/pendulum/manifest.json").read_text())["spec"]["path"] == "specs/pendulum.py"


def test_what_a_parameter_declares_otherwise_is_told(invoke: Invoke, spec: Path) -> None:
    """An initial value changes no term and no law: it has a line of its own."""
    assert invoke("build", spec, "-q")[0] == 0
    assert "init=1.0" in SPEC
    spec.write_text(SPEC.replace("init=1.0", "init=0.25"), encoding="utf-8")
    for call in (("check", spec), ("build", spec, "--check")):
        assert "\n  parameter w2: init 1.0 -> 0.25\n" in invoke(*call, "-q")[1]
    spec.write_text(SPEC.replace("positive=True, init=1.0", "nonnegative=True, below=4.0"), encoding="utf-8")
    (row,) = outcome(invoke, "build", spec, "--check")[1]["packages"]
    told = "parameter w2: init 1.0 -> 2.0, sign positive -> nonnegative, below absent -> 4.0"
    assert row["drift"]["parameters"] == [told]


def test_a_law_that_is_won_or_lost_is_told(invoke: Invoke, spec: Path) -> None:
    assert invoke("build", spec, "-q")[0] == 0
    friction = "    metric=lambda F, G: w2 * F[momentum(q)] * G[momentum(q)],\n    integrator="
    text = SPEC.replace("    integrator=", friction).replace("Leapfrog", "Strang, momentum", 1)
    spec.write_text(text.replace("Leapfrog(", "Strang("), encoding="utf-8")
    (row,) = outcome(invoke, "build", spec, "--check")[1]["packages"]
    assert "metric_psd: absent -> proved" in row["drift"]["laws"]


@pytest.mark.parametrize("arguments", [["show", "pendulum.py", "--json"], ["list"], ["show", "pendulum.py"]])
def test_a_reader_who_stops_reading_is_no_fault(spec: Path, arguments: list[str]) -> None:
    command = [sys.executable, "-m", "metrigen", *arguments]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=spec.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env) as running:
        assert running.stdout is not None
        running.stdout.close()
        assert running.stderr is not None
        assert running.stderr.read() == b""
    assert running.returncode == 0


def test_completion_of_a_shell_knows_the_commands(metrigen: Run, tmp_path: Path) -> None:
    done = metrigen(cwd=tmp_path, _METRIGEN_COMPLETE="complete_bash", COMP_WORDS="metrigen si", COMP_CWORD="1")
    assert done.stdout.split() == ["simulate"]
