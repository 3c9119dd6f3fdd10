"""Every emitted kernel says which equation it computes, in lines that a reader can read."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

import pytest

from metrigen.build import compile_file
from metrigen.layers.docs import ROWS, WIDTH, comment, docstring
from tests.conftest import ROOT
from tests.lengths import picked

PACKAGES = ("cifar", "coupled_wave", "lm", "maze", "sudoku")
GALLERY = ("gas", "graph_heat", "linoss", "selective_oscillator", "elastic_pendulum", "learned_mobility")
CIFAR = ("phi_t = pi", "pi_t = c1*phi_xx + c2*phi_yy - gamma*pi - m2*phi + mix(B, pi)")


def emitted(name: str) -> dict[str, str]:
    folder = ROOT / "generated" / name
    return {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir() if file.is_file()}


def docs_of(text: str) -> dict[str, str]:
    functions = [n for n in ast.parse(text).body if isinstance(n, ast.FunctionDef)]
    return {f.name: ast.get_docstring(f) or "" for f in functions}


def comments_of(text: str) -> dict[str, str]:
    """Routine of the C++ -> the comment above it."""
    found = re.finditer(r"((?:^//.*\n)+)(?:static NOINLINE|INLINE) void (\w+)\(", text, re.M)
    return {match[2]: match[1] for match in found}


def check_docs(files: Mapping[str, str]) -> None:
    for name in {"reference.py", "kernels.py"} & {*files}:
        for function, doc in docs_of(files[name]).items():
            of_program = re.fullmatch(
                r"_?(step|readout|operator|propagator)(_adjoint)?(_\d+)?(_kernel)?|evolve(_adjoint)?_kernel", function
            )
            assert doc or not of_program, (name, function)
            if of_program:
                assert all(len(line) <= WIDTH - 4 for line in doc.splitlines()), (name, function)
            if of_program and "adjoint" in function:
                assert re.search(r"J\^T w|variation|cotangents|``\w+_adjoint``", doc), doc


@pytest.mark.parametrize("name", PACKAGES)
def test_the_functions_of_a_package_say_what_they_compute(name: str) -> None:
    files = emitted(name)
    check_docs(files)
    for function, text in comments_of(files.get("kernels.cpp", "")).items():
        assert all(len(line) <= WIDTH for line in text.splitlines()), function


def test_every_kernel_of_a_step_states_its_equations() -> None:
    files = emitted("cifar")
    said = docs_of(files["kernels.py"])
    stepping = ["_step", "evolve_kernel", *(f"step_{k}_kernel" for k in range(3))]
    for doc in (docs_of(files["reference.py"])["step"], *(said[name] for name in stepping)):
        assert "Strang" in doc
        assert tuple(doc.splitlines()[-2:]) == CIFAR
    routines = comments_of(files["kernels.cpp"])
    for name in ("head", "inner", "tail"):
        assert all(f"// {equation}\n" in routines[name] for equation in CIFAR)
        assert f"Cotangents of ``{name}``" in routines[f"{name}_adjoint"]
    assert "Part 2 of 3 of ``step``: dV_dphi, pi_2." in said["step_1_kernel"]
    assert "a, T01_a, T02_a, T11_T22_2a, T12_a" in said["readout_0_kernel"]


def test_long_equations_end_in_a_pointer() -> None:
    """Six rows of equations are written out; of seven the last two make room for where they all are."""
    for count in (ROWS, ROWS + 1):
        rows = comment(("One step for", *(f"u{k}_t = v{k}" for k in range(count)))).splitlines()
        assert len(rows) == 1 + ROWS
        assert ("DERIVATION.md" in rows[-1]) == (count > ROWS)
    chain = docstring(("One step for", "u_t = " + " + ".join(f"c{k}*u**{k}" for k in range(200))))
    assert len(chain.splitlines()) == 2 + ROWS + 1
    assert "DERIVATION.md" in chain


@pytest.mark.parametrize("name", picked(GALLERY, "gas", "graph_heat", "linoss"))
def test_the_functions_of_the_gallery_say_what_they_compute(name: str) -> None:
    compiled = compile_file(ROOT / f"specs/gallery/{name}.py", lambda _: None)
    check_docs(compiled.files)
    assert "_t = " in docs_of(compiled.files["reference.py"])["step"]


def test_a_doc_is_wrapped() -> None:
    long = ("One step for", "u_t = " + " + ".join(f"c{k}*u**{k}" for k in range(40)))
    assert all(len(row) <= WIDTH for row in f'    """{docstring(long)}"""'.splitlines())
    assert all(len(row) <= WIDTH for row in f"// {comment(long)}".splitlines())
    assert docstring(("One line.",)) == "One line."
    assert docstring(("A word for", "u_t = u")) == "A word for\n\n    u_t = u\n    "
