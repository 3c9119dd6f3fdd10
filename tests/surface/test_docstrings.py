"""The docstring of ``forward`` says of every argument what it is: all families, and what few of them have."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

from metrigen.build import compile_file
from metrigen.emit.package import package_files
from tests.conftest import ROOT
from tests.surface.systems import ALL, kind

# Noise; inputs by step at nodes; the time by itself; inputs on some of the axes; numbers of samples; a learned step.
OTHERS = ("brownian_well", "driven_graph", "driven_pendulum", "forced_string", "wave_guide", "graph_poisson")
WORDS = {"self": "", "generator": "torch.Generator", "noise": "(B, C", "t0": "(B,)", "steps": "None", "dt": "None"}


def unsaid(doc: str, parameters: list[str]) -> list[str]:
    """The parameters that no row of a docstring begins with, or whose row says no shape, and what it is else."""
    rows = {}
    for line in doc.splitlines():
        if found := re.match(r"\s*(\w+(?:, \w+)*)\s+(.*)", line):
            rows |= dict.fromkeys(found[1].split(", "), found[2])
    return [name for name in parameters[1:] if WORDS.get(name, "(") not in rows.get(name, "")]


@pytest.mark.parametrize("name", ALL)
def test_forward_names_every_argument(name: str) -> None:
    forward = kind(name).forward
    assert unsaid(forward.__doc__, list(inspect.signature(forward).parameters)) == []
    for method in (forward, kind(name).readout):
        assert "ValueError" in method.__doc__
        assert "TypeError" in method.__doc__


@pytest.mark.parametrize("name", OTHERS)
def test_forward_of_the_gallery_names_every_argument(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    path = Path(f"specs/gallery/{name}.py")
    files = package_files(compile_file(path, on_stage=lambda stage: None))
    found = [x for x in ast.walk(ast.parse(files["module.py"])) if isinstance(x, ast.FunctionDef)]
    forward = next(x for x in found if x.name == "forward")
    names = [a.arg for a in (*forward.args.args, *forward.args.kwonlyargs)]
    assert unsaid(ast.get_docstring(forward) or "", names) == []


def test_an_argument_that_is_not_named_is_seen() -> None:
    doc = "The state.\n\nphi, pi  fields (B, C)\nsteps  how many; None: one\nkappa  an input"
    assert unsaid(doc, ["self", "phi", "pi", "steps", "dt", "kappa"]) == ["dt", "kappa"]
