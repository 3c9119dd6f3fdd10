"""The index at the end of DERIVATION.md names lines that compute the terms, and no others."""

from __future__ import annotations

import ast
import importlib
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from metrigen.build import compile_file
from metrigen.layers.equations import terms
from metrigen.package.index import TITLE
from metrigen.physics.derivation import Derivation
from metrigen.physics.derive import derive
from metrigen.spec.load import load_spec
from tests.conftest import ROOT
from tests.lengths import picked

Table = dict[str, dict[str, str]]
SHIPPED = ("cifar", "maze", "sudoku", "lm", "coupled_wave")
GALLERY = [file.stem for file in sorted((ROOT / "specs/gallery").glob("*.py"))]
SHORT = ("duffing", "kdv", "graph_heat", "linoss", "allen_cahn")
_PLACE = re.compile(r"`(\w+)`, ([\w.]+):(\d+)(?: as `(\w+)`)?")


def table(derivation_md: str) -> Table:
    """Term -> column -> cell."""
    lines = [line for line in derivation_md.partition(f"## {TITLE}\n")[2].splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return {f"{row[0]} {row[1]}": dict(zip(rows[0], row, strict=True)) for row in rows[2:]}


def targets(text: str, line: int) -> set[str]:
    """The names that a line gives values; a store may go on in the next one."""
    first, second = (text + "\n").splitlines()[line - 1 : line + 1]
    stored = re.match(r"\s*tl\.store\(\s*(\w+)_ptr\b", f"{first}\n{second}")
    found = stored or re.match(r"\s+(?:const (?:auto|V|R) )?(\w+(?:, \w+)*) = ", first)
    assert found, first
    return {name.removesuffix("_v") for name in found[1].split(", ")}


def check_places(found: Table, read: Callable[[str], str], generic: bool = False) -> None:
    """Where the entropy drives (``generic``), a term of H may move nothing: no bracket reads its variation."""
    for term, row in found.items():
        values = re.findall(r"`(\w+)`", row["value"])
        assert (row["reference"] == "-") == (row["value"] == "-"), term
        assert row["value"] != "-" or (generic and " of H" in term), term
        for column in [c for c in row if c not in ("term", "value")]:
            for function, file, line, own in _PLACE.findall(row[column]):
                text = read(file)
                names = targets(text, int(line))
                before = "\n".join(text.splitlines()[: int(line)])
                assert re.findall(r"^(?:def|static|inline|INLINE|extern).*?(\w+)\(", before, re.M)[-1] == function
                if column == "adjoint":
                    assert re.search("adjoint|transposed|pullback|step_back", function)
                else:
                    assert names & {*values, own} or (not own and "..." in row["value"]), (term, names)


def check_terms(found: Table, derivation: Derivation) -> None:
    """Every term of H (of F, of S) that a field stands in has a row."""
    letter = "F" if derivation.system.lagrangian is None and derivation.system.bracket is None else "H"
    shown = [row["term"] for row in found.values()]
    rows = len({t for t in shown if re.search(r" of [HF](,|$)", t)})
    wanted = [len(fields) for _, fields in terms(derivation, derivation.hamiltonian)]
    assert rows in (sum(wanted), len(wanted)), (letter, shown)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_term_of_a_shipped_package_has_a_line_that_assigns_its_value(name: str) -> None:
    folder = ROOT / "generated" / name
    found = table((folder / "DERIVATION.md").read_text(encoding="utf-8"))
    check_places(found, lambda file: (folder / file).read_text(encoding="utf-8"))
    check_terms(found, derive(load_spec(ROOT / f"specs/{name}.py").system))


@pytest.mark.parametrize("name", picked(GALLERY, *SHORT))
def test_every_term_of_the_gallery_has_a_line_that_assigns_its_value(name: str) -> None:
    compiled = compile_file(ROOT / f"specs/gallery/{name}.py", lambda _: None)
    found = table(compiled.files["DERIVATION.md"])
    check_places(found, compiled.files.__getitem__, compiled.derivation.system.entropy is not None)
    check_terms(found, compiled.derivation)


# The package of cifar, with a line changed -------------------------------------------------------------------------

CIFAR = ROOT / "generated/cifar"
INDEX = table((CIFAR / "DERIVATION.md").read_text(encoding="utf-8"))
COEFFICIENTS = ("c1", "c2", "m2")  # of the terms that dV/dphi is the variation of


def row_of(start: str) -> dict[str, str]:
    (row,) = [row for row in INDEX.values() if row["term"].startswith(start)]
    return row


def lines_of(cell: str) -> list[int]:
    return [int(line) for _, _, line, _ in _PLACE.findall(cell)]


def scaled_line(text: str, line: int) -> str:
    """The Python text with what is assigned at a line times 1.5."""
    (found,) = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Assign) and n.lineno == line]
    value = ast.get_source_segment(text, found.value)
    assert value is not None
    lines = text.splitlines(keepends=True)
    own = "".join(lines[line - 1 : found.end_lineno])
    return "".join([*lines[: line - 1], own.replace(value, f"1.5 * ({value})"), *lines[found.end_lineno :]])


def program(text: str, name: str) -> Callable[..., tuple[Tensor, ...]]:
    """A function of the text of ``reference.py``."""
    names: dict[str, Any] = {"__name__": "generated.cifar.reference"}  # it imports from its package
    exec(compile(text, "reference.py", "exec"), names)
    return names[name]


REFERENCE = (CIFAR / "reference.py").read_text(encoding="utf-8")


def arguments(**given: float) -> dict[str, Tensor]:
    """Numbers for ``step`` of two samples of eight channels."""
    generator = torch.Generator().manual_seed(3)

    def random(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, dtype=torch.float64)

    found = {n: random(2, 8, 5, 6) - 0.5 for n in ("phi", "pi")} | {n: random(8) for n in ("c1", "c2", "m2", "decay")}
    found |= {"dt": random(), "rotation": random(8, 8)}
    return found | {name: found[name] * factor for name, factor in given.items()}


def close(left: tuple[Tensor, ...], right: tuple[Tensor, ...]) -> bool:
    return all(torch.allclose(a, b, rtol=1e-12, atol=1e-13) for a, b in zip(left, right, strict=True))


@pytest.mark.parametrize("coefficient", COEFFICIENTS)
def test_the_line_of_a_term_is_the_term(coefficient: str) -> None:
    """Times 1.5 it is the step with all coefficients of that line times 1.5; with none of its terms it is no change."""
    row = row_of(f"`{coefficient}*")
    (line,) = lines_of(row["reference"])
    step, changed = program(REFERENCE, "step"), program(scaled_line(REFERENCE, line), "step")
    alone = dict.fromkeys(COEFFICIENTS, 0.0) | {coefficient: 1.0}
    assert close(changed(**arguments(**dict.fromkeys(COEFFICIENTS, 0.0))),
                 step(**arguments(**dict.fromkeys(COEFFICIENTS, 0.0))))  # fmt: skip
    assert not close(changed(**arguments(**alone)), step(**arguments(**alone)))
    assert close(changed(**arguments(**alone)), step(**arguments(**{n: 1.5 * f for n, f in alone.items()})))
    assert close(changed(**arguments()), step(**arguments(**dict.fromkeys(COEFFICIENTS, 1.5))))


@pytest.mark.parametrize("start", ["`pi**2/2`", "`phi` after", "`pi` after"])
def test_the_line_of_what_moves_is_read_by_the_step(start: str) -> None:
    line = lines_of(row_of(start)["reference"])[0]
    step, changed = program(REFERENCE, "step"), program(scaled_line(REFERENCE, line), "step")
    assert close(program(str(REFERENCE), "step")(**arguments()), step(**arguments()))
    assert not close(changed(**arguments()), step(**arguments()))


def test_the_line_of_the_adjoint_is_the_cotangent_of_the_term() -> None:
    """Times 1.5 the gradients of the coefficients of the terms are times 1.5, that of the decay stays."""
    (line,) = lines_of(row_of("`c1*")["adjoint"])
    adjoint, changed = (program(text, "step_adjoint") for text in (REFERENCE, scaled_line(REFERENCE, line)))
    given = {name: x.requires_grad_() for name, x in arguments().items()}
    out = program(REFERENCE, "step")(**given)
    bars = tuple(torch.cos(torch.arange(x.numel(), dtype=x.dtype)).view_as(x) for x in out)
    wanted = dict(zip(given, torch.autograd.grad(out, list(given.values()), bars), strict=True))
    order = [a.arg for a in _function("step").args.args]
    right, wrong = (dict(zip(order, f(*(given[n] for n in order), *bars), strict=True)) for f in (adjoint, changed))
    for name in set(order) - {"dt"}:  # a number that nobody learns
        assert torch.allclose(right[name], wanted[name], rtol=1e-12, atol=1e-13), name
        factor = 1.5 if name in COEFFICIENTS else 1.0
        same = torch.allclose(wrong[name], factor * right[name], rtol=1e-12, atol=1e-13)
        assert same == (name != "phi" and name != "pi"), name  # into phi and pi other terms flow as well


def _function(name: str) -> ast.FunctionDef:
    (found,) = [n for n in ast.parse(REFERENCE).body if isinstance(n, ast.FunctionDef) and n.name == name]
    return found


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_the_lines_of_the_kernels_are_the_term(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Times 1.5 in ``kernels.cpp``, two steps are those with the coefficients times 1.5."""
    monkeypatch.setenv("METRIGEN_CPU_KERNELS", "1")
    text = (CIFAR / "kernels.cpp").read_text(encoding="utf-8")
    lines = text.splitlines()
    for line in lines_of(row_of("`m2*")["cpu"]):
        head, equals, value = lines[line - 1].partition(" = ")
        lines[line - 1] = f"{head}{equals}R(1.5) * ({value}"
        end = next(i for i in range(line - 1, len(lines)) if lines[i].endswith(";"))
        lines[end] = f"{lines[end].removesuffix(';')});"
    copies = {"cifar_as_built": text, "cifar_changed": "\n".join(lines) + "\n"}
    states = [_after_two_steps(tmp_path, name, source, monkeypatch) for name, source in copies.items()]
    x = {name: value.float() for name, value in arguments().items()}
    scaled = x | {name: 1.5 * x[name] for name in COEFFICIENTS}
    evolve = program(REFERENCE, "evolve")
    for got, given in zip(states, (x, scaled), strict=True):
        wanted = evolve((given["phi"], given["pi"]), _fixed(given), 2)
        for a, b in zip(got, wanted, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)
    assert not any(torch.allclose(a, b, rtol=1e-2) for a, b in zip(*states, strict=True))


def _fixed(given: dict[str, Tensor]) -> tuple[Tensor, ...]:
    return tuple(given[n] for n in ("c1", "c2", "dt", "m2", "decay", "rotation"))


def _after_two_steps(folder: Path, name: str, source: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Tensor, ...]:
    shutil.copytree(CIFAR, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / name / "kernels.cpp").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    cpu = importlib.import_module(f"{name}.cpu")
    x = {n: value.float() for n, value in arguments().items()}
    assert cpu.library(torch.float32, 6, 8, "evolve") is not None
    state = cpu.evolve((x["phi"], x["pi"]), _fixed(x), 2)
    for module in [m for m in sys.modules if m.split(".")[0] == name]:
        del sys.modules[module]
    return state
