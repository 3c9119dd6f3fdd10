"""Elliptic constraints by waves: their eigenvalues, the solve in the interpreter, torch and C++, and who has none."""

from __future__ import annotations

import ctypes
import importlib
import itertools
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import sympy as sp
import torch

from metrigen import Field, Input, Lattice, Leapfrog, Param, System, derive
from metrigen.emit.render import render
from metrigen.ir.constraints import constraint_key
from metrigen.ir.interpreter import eliminated
from metrigen.ir.modes import Walls, modes_of, solved, why_no_modes
from metrigen.ir.nodes import Kind, Solve
from metrigen.ir.queries import solves_in
from tests.lattice.emitted import compiled, layer_class, package
from tests.lattice.systems import BOUNDARIES
from tests.lowered import lower

AXES = sp.symbols("x y z", real=True)
c = Param("c", per="channel", positive=True)
OPERATORS: dict[str, Callable[[sp.Expr, tuple[sp.Symbol, ...]], sp.Expr]] = {
    "screened": lambda p, axes: c * p - sum((k + 1) * p.diff(s, 2) for k, s in enumerate(axes)),
    "scaled": lambda p, axes: -c * sum(p.diff(s, 2) for s in axes),
    "fourth": lambda p, axes: c * p + sum(p.diff(s, 4) for s in axes),
    "mixed": lambda p, axes: p - sum(p.diff(s, 2) for s in axes) - p.diff(axes[0], axes[-1]),
    "flat": lambda p, axes: c * p,
}


def system(boundary: str, rank: int, operator: str) -> System:
    """A wave in the potential of a constraint: q is its source."""
    axes = AXES[:rank]
    lattice = Lattice(*axes, boundary=boundary, spacing=sp.Rational(1, 2))
    q, p, psi = (Field(name, lattice) for name in ("q", "p", "psi"))
    return System(
        f"waves_{boundary}_{rank}_{operator}", lattice, fields=(q, p), hamiltonian=p**2 / 2 + q * psi + q**2,
        constraints={psi: OPERATORS[operator](psi, axes) - q}, bracket=lambda F, G: F[q] * G[p] - F[p] * G[q],
        integrator=Leapfrog(steps=2, dt=0.1),
    )  # fmt: skip


@cache
def solve_of(boundary: str, rank: int, operator: str) -> Solve:
    return solves_in(lower(derive(system(boundary, rank, operator))).step.body)[0]


# Between zeros a fourth derivative is no square of the second one; a mixed one sends a wave to its mirror image.
NONE = {("zero", "fourth"), ("zero", "mixed"), ("neumann", "mixed")}
CASES = [(b, rank, o) for b in BOUNDARIES for rank in (1, 2, 3) for o in OPERATORS if (b, o) not in NONE and rank < 4]
CASES = [case for case in CASES if case[1:] != (3, "fourth")]


@pytest.mark.parametrize(("boundary", "rank", "operator"), CASES)
def test_the_solve_by_waves_is_the_one_by_elimination(boundary: str, rank: int, operator: str) -> None:
    """On lattices of every small size: walls closer to one another than the stencil is wide among them."""
    solve, periodic = solve_of(boundary, rank, operator), boundary == "periodic"
    modes = modes_of(constraint_key(solve)[0], periodic)
    assert modes is not None
    rng = np.random.default_rng(3)
    sizes = [
        *itertools.product((1, 2, 3, 4, 5) if rank < 3 else (1, 3, 4), repeat=rank),
        ((17,), (17, 3), (3, 2, 7))[rank - 1],
    ]
    for size in sizes:
        rhs, value = rng.normal(size=(2, 3, *size)), rng.uniform(0.5, 2, size=3)
        given = {s: value.reshape(3, *[1] * rank) for s in solve.operator.free_symbols if s.name == "c"}
        found = solved(rhs, modes, solve.singular, given)
        if solve.singular and np.prod(size) == 1:
            assert not found.any()
            continue
        wanted = eliminated(solve, {"c": value}, {"c": Kind.CHANNEL}, rhs, periodic)
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12 * np.abs(wanted).max(), err_msg=str(size))


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_walls_are_read_off_the_stencil(boundary: str) -> None:
    operator, _ = constraint_key(solve_of(boundary, 2, "screened"))
    modes = modes_of(operator, boundary == "periodic")
    assert modes is not None
    assert modes.walls is {"periodic": Walls.PERIODIC, "neumann": Walls.MIRROR, "zero": Walls.ZERO}[boundary]


@pytest.mark.parametrize(
    ("boundary", "operator", "why"),
    [
        ("zero", "fourth", "at the walls"),
        ("zero", "mixed", "mixed derivatives"),
        ("neumann", "mixed", "mixed derivatives"),
    ],
)
def test_who_has_no_waves_is_told_why(boundary: str, operator: str, why: str) -> None:
    key, _ = constraint_key(solve_of(boundary, 2, operator))
    assert modes_of(key, False) is None
    assert why in why_no_modes(key, False)
    files = compiled(system(boundary, 2, operator)).files
    assert "cpu.py" not in files
    assert "conjugate_gradient" in files["reference.py"]


def test_coefficients_that_vary_have_none() -> None:
    x = AXES[0]
    line = Lattice(x)
    q, p, psi, k = (*(Field(n, line) for n in ("q", "p", "psi")), Input("k", line, positive=True))
    made = System(
        "varying", line, fields=(q, p), hamiltonian=p**2 / 2 + q * psi, integrator=Leapfrog(steps=1, dt=0.1),
        constraints={psi: psi - (k * psi.diff(x)).diff(x) - q}, bracket=lambda F, G: F[q] * G[p] - F[p] * G[q],
    )  # fmt: skip
    key, _ = constraint_key(solves_in(lower(derive(made)).step.body)[0])
    assert "vary in space" in why_no_modes(key, True)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("waves")
    return cache(lambda *key: package(system(*key), folder, "waves_" + "_".join(map(str, key))))


def run(layer: torch.nn.Module, q: torch.Tensor, p: torch.Tensor) -> tuple[torch.Tensor, ...]:
    q, p = q.clone().requires_grad_(), p.clone().requires_grad_()
    end = layer(q, p)
    loss = (end.q * torch.linspace(-1, 1, q.numel(), dtype=q.dtype).reshape(q.shape)).sum() + end.p.square().sum()
    return (*end, *torch.autograd.grad(loss, (q, p, *layer.parameters()), allow_unused=True))


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_a_solve_knows_no_unit(made, size: float) -> None:
    """float32, beside the largest and smallest sources: the numbers of size 1."""
    reference = importlib.import_module(f"{made('neumann', 2, 'scaled').__name__}.reference")
    constraint = next(v for n, v in vars(reference).items() if n.startswith("ELLIPTIC"))
    source, unit = torch.randn(2, 2, 17, 4, generator=torch.Generator().manual_seed(1)), 2.0 ** round(np.log2(size))
    wanted = reference.solve(constraint, source, torch.ones(2))
    found = reference.solve(constraint, source * unit, torch.ones(2)) / unit
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=0)


def test_iteration_and_waves_agree(made, tmp_path: Path) -> None:
    """The layer as it is where its operator has no waves."""
    with (
        patch("metrigen.ir.constraints.modes_of", lambda *_: None),
        patch("metrigen.backends.cpu.kernels.why_no_solve", lambda _: "is iterated"),
    ):
        iterated = package(system("neumann", 2, "screened"), tmp_path, "waves_iterated")
    q, p = (torch.randn(2, 2, 6, 5, generator=torch.Generator().manual_seed(k), dtype=torch.float64) for k in (0, 1))
    one, other = (
        run(layer_class(m)(2, backend="torch").double(), q, p) for m in (iterated, made("neumann", 2, "screened"))
    )
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


FRAME = """
#include <utility>
#include <cmath>
#include <cstdlib>
typedef double R;
{register}
{fft}
extern "C" void transform(long n, const double* re, const double* im, double* out) {{
    void* memory;
    if (posix_memalign(&memory, 64, 2 * n * sizeof(Complex))) std::abort();
    Complex* x = static_cast<Complex*>(memory);
    double* const roots = static_cast<double*>(std::malloc(Fourier::numbers(n) * sizeof(double)));
    const Fourier fourier(n, roots);
    for (long k = 0; k < n; ++k)
        for (long l = 0; l < ABREAST; ++l) x[k].re[l] = re[k] * (l + 1), x[k].im[l] = im[k] * (l + 1);
    const Complex* const y = fourier.apply(x, x + n);
    for (long k = 0; k < n; ++k) {{
        out[2 * k] = y[k].re[ABREAST - 1] / ABREAST;
        out[2 * k + 1] = y[k].im[ABREAST - 1] / ABREAST;
    }}
    std::free(memory), std::free(roots);
}}
"""


def test_the_fast_transform(tmp_path: Path) -> None:
    """Every length up to 64 and some beyond, primes among them, beside numpy."""
    source, library = tmp_path / "fft.cpp", tmp_path / "fft.so"
    source.write_text(FRAME.format(register=render("kernels_register.cpp.j2"), fft=render("fft.cpp.j2")))
    subprocess.run(["g++", "-std=c++17", "-O2", "-march=native", "-fPIC", "-shared", source, "-o", library], check=True)
    transform = ctypes.CDLL(str(library)).transform
    pointer = np.ctypeslib.ndpointer(np.float64, flags="C")
    transform.argtypes = [ctypes.c_long, pointer, pointer, pointer]
    rng = np.random.default_rng(0)
    for n in (*range(1, 65), 100, 125, 128, 131, 240, 256):
        re, im, out = rng.normal(size=n), rng.normal(size=n), np.empty((n, 2))
        transform(n, re, im, out)
        wanted = np.fft.fft(re + 1j * im)
        np.testing.assert_allclose(out[:, 0] + 1j * out[:, 1], wanted, rtol=0, atol=1e-14 * n**0.5 * 10, err_msg=str(n))
