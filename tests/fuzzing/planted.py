"""Faults to plant, each with a cell in which the fuzzer must find it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import sympy as sp

from metrigen.backends.cpu.dialect import CPP
from metrigen.backends.expressions import Dialect
from metrigen.backends.torch.dialect import TORCH
from metrigen.discretise import lattice
from metrigen.discretise.dynamics import Dynamics
from metrigen.passes import vary
from tests.fuzzing import chain
from tests.fuzzing.cells import Cell

Plant = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Planted:
    """A fault, where it shows, and on which kernels."""

    plant: Plant
    cell: Cell
    kernels: bool = False


def _coefficients_stay(patch: pytest.MonkeyPatch) -> None:
    """The adjoint of a stencil reads its coefficients where it stands."""
    moved = vary.shift

    def still(expr: sp.Expr, by: tuple[int, ...]) -> sp.Expr:
        back = tuple(-b for b in by)
        return moved(expr.xreplace({x: x.shifted(back) for x in expr.atoms(vary.Load) if x.array == "k"}), by)

    patch.setattr(vary, "shift", still)


def _walls_count_half(patch: pytest.MonkeyPatch) -> None:
    """The reported energy takes half of an edge that crosses a wall."""
    whole = lattice.site_density

    def half(expr: sp.Expr, stencils: Any) -> sp.Expr:
        return whole(expr, stencils).replace(lambda e: isinstance(e, lattice.Outside), lambda e: e / 2)

    patch.setattr("metrigen.discretise.lower.site_density", half)


def _spelled(dialect: Dialect, name: str, other: str) -> Plant:
    def plant(patch: pytest.MonkeyPatch) -> None:
        patch.setitem(dialect.functions, name, dialect.functions[other])  # type: ignore[arg-type]

    return plant


def _text(file: str, old: str, new: str) -> Plant:
    """A fault in an emitted file."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        write = chain.imported

        def changed(made: Any, folder: Path, name: str) -> Any:
            def edit(path: Path, text: str, *rest: Any, **options: Any) -> int:
                assert path.name != file or old in text, f"{old!r} is not in {file}"
                return plain(path, text.replace(old, new) if path.name == file else text, *rest, **options)

            plain = Path.write_text
            with pytest.MonkeyPatch.context() as inner:
                inner.setattr(Path, "write_text", edit)
                return write(made, folder, name)

        patch.setattr(chain, "imported", changed)

    return plant


def _all_proved(patch: pytest.MonkeyPatch) -> None:
    made = chain.layer_of

    def proud(spec: Any) -> Any:
        found = made(spec)
        laws = tuple(replace(law, verdict="proved") for law in found.source.laws)
        return replace(found, source=replace(found.source, laws=laws))

    patch.setattr(chain, "layer_of", proud)


def _one_sided(patch: pytest.MonkeyPatch) -> None:
    """A bracket with a derivative is not made skew."""
    exact = Dynamics.operator

    def operator(self: Dynamics, bilinear: Any, part: str) -> Any:
        if part != "bracket":
            return exact(self, bilinear, part)
        lowering, left, _ = self.covectors(bilinear)
        form = bilinear.form + bilinear.left[0] * bilinear.right[0] / 7
        return lowering.gradient(part, form, left, part)

    patch.setattr(Dynamics, "operator", operator)


def _leaks(patch: pytest.MonkeyPatch) -> None:
    """When the laws are decided, the bracket gets a skew term, q of the state between the first and the last field."""
    decided, exact = chain.printed, Dynamics.operator

    def operator(self: Dynamics, bilinear: Any, part: str) -> Any:
        if part != "bracket":
            return exact(self, bilinear, part)
        lowering, left, _ = self.covectors(bilinear)
        (a, *_, b), (c, *_, d) = bilinear.left, bilinear.right
        form = bilinear.form + self.derivation.fields[0] ** 2 * (a * d - b * c) / 7
        return lowering.gradient(part, form, left, part)

    def printed(layer: Any) -> Any:
        found = decided(layer)
        patch.setattr(Dynamics, "operator", operator)
        return found

    patch.setattr(chain, "printed", printed)


def _stops(patch: pytest.MonkeyPatch) -> None:
    def broken(system: Any) -> Any:
        raise TypeError("planted")

    patch.setattr("metrigen.compiler.derive", broken)


PLANTED: dict[str, Planted] = {
    "coefficients at the read site": Planted(_coefficients_stay, Cell("line", "periodic", "ExplicitEuler", "inputs")),
    "half the energy of walls": Planted(_walls_count_half, Cell("line", "zero", "Leapfrog", "plain")),
    "a function of torch": Planted(_spelled(TORCH, "cosh", "sinh"), Cell("line", "zero", "RK4", "site")),
    "a function of C++": Planted(_spelled(CPP, "cosh", "sinh"), Cell("line", "zero", "RK4", "site"), kernels=True),
    "a number of C++": Planted(
        _text("kernels.cpp", "R(0.5)", "R(0.25)"), Cell("plane", "periodic", "Leapfrog", "plain"), kernels=True
    ),
    "a number of the reference": Planted(
        _text("reference.py", "0.5", "0.25"), Cell("plane", "periodic", "Leapfrog", "plain")
    ),
    "a law that is none": Planted(_all_proved, Cell("line", "periodic", "ExplicitEuler", "weights")),
    "a bracket that is not skew": Planted(_one_sided, Cell("line", "periodic", "RK4", "poisson")),
    "a bracket that makes entropy": Planted(_leaks, Cell("point", "periodic", "RK4", "entropy")),
    "a bracket that is none of Jacobi's": Planted(_leaks, Cell("point", "periodic", "RK4", "poisson")),
    "text that does not parse": Planted(
        _text("reference.py", "return", "return ,"), Cell("point", "periodic", "RK4", "plain")
    ),
    "an exception of our own": Planted(_stops, Cell("point", "periodic", "RK4", "plain")),
}
