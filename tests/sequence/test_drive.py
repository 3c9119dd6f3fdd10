"""The drive (1 - E) f of a token at every rate, relative to itself: a state at rest begins to move by it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import mpmath
import pytest
import sympy as sp
import torch

from metrigen import derive
from metrigen.discretise.sequence import Cell, cell_of
from tests.lengths import spread
from tests.sequence.systems import SYSTEMS, layer, module, state_class

pytestmark = pytest.mark.covering

RATES = (1e-30, 1e-15, 1e-12, 1e-7, 1e-4, 1e-2, 0.3, 1.0, 4.0, 30.0)
DRIVE = 0.7
NAMES = ("isotropic", "selective", "scalar", "gated", "skewed", "both", "numbers", "constant")
DTYPES = (torch.float64, torch.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("drive")


class Token(NamedTuple):
    """A cell with numbers: h A and the fixed point."""

    A: mpmath.matrix
    f: mpmath.matrix

    @classmethod
    def of(cls, cell: Cell, values: dict[str, mpmath.mpf]) -> Token:
        def at(e: sp.Expr) -> mpmath.mpf:
            swap = {s: sp.Symbol(s.name) for s in sp.sympify(e).free_symbols}
            names = sorted(s.name for s in swap)
            return mpmath.mpf(sp.lambdify(names, sp.sympify(e).xreplace(swap), "mpmath")(*(values[k] for k in names)))

        scaled = [[at(cell.dt) * at(e) for e in row] for row in cell.A]
        return cls(mpmath.matrix(scaled), mpmath.matrix([at(e) for e in cell.fixed]))

    def end(self, x: list[mpmath.mpf], times: int = 1) -> mpmath.matrix:
        return self.f + mpmath.expm(times * self.A) * (mpmath.matrix(x) - self.f)

    def size(self, x: list[mpmath.mpf]) -> mpmath.mpf:
        """Of what a token is the sum of, with the rounding of its rates."""
        rate = mpmath.mnorm(self.A, 1)
        return mpmath.norm(mpmath.matrix(x), 1) + rate * mpmath.norm(self.f - mpmath.matrix(x), 1)


def values_of(cell: Cell, made: torch.nn.Module, given: dict[str, torch.Tensor]) -> dict[str, mpmath.mpf]:
    fixed = {a.name: getattr(made, a.name).detach().reshape(-1)[0].item() for a in cell.params}
    return {k: mpmath.mpf(v) for k, v in fixed.items()} | {k: mpmath.mpf(v[0, 0, 0].item()) for k, v in given.items()}


def tokens(cell: Cell, rate: float, dtype: torch.dtype, length: int = 1) -> dict[str, torch.Tensor]:
    numbers = {a.name: DRIVE if a.name in ("f", "f_p") else rate * (1 + k / 7) for k, a in enumerate(cell.tokens)}
    return {k: torch.full((1, 1, length), v, dtype=dtype, requires_grad=True) for k, v in numbers.items()}


@pytest.mark.parametrize("backend", ["auto", "torch"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", spread(NAMES, 4))
def test_a_token(name: str, dtype: torch.dtype, backend: str, folder: Path) -> None:
    """Value and gradients, of a state at 0 and of one beside the fixed point, against the exponential at 80 digits."""
    cell, eps = cell_of(derive(SYSTEMS[name])), torch.finfo(dtype).eps
    own = module(name, folder)
    made, n = layer(own, 1, backend=backend).to(dtype), len(cell.state)
    weights = [1.0, -0.7][:n]
    for rate in RATES:
        given = tokens(cell, rate, dtype)
        for at in (0.0, DRIVE * (1 + 2**-10)):
            start = [torch.full((1, 1), at, dtype=dtype) for _ in range(n)]
            state = made(**given, state=state_class(own)(*start))
            ends = [getattr(state, a.name).reshape(()) for a in cell.state]
            flowed = torch.autograd.grad(sum(w * e for w, e in zip(weights, ends, strict=True)), list(given.values()))
            with mpmath.workdps(80):
                values, x = values_of(cell, made, given), [mpmath.mpf(s.item()) for s in start]
                token = Token.of(cell, values)
                for got, want in zip(ends, token.end(x), strict=True):
                    assert abs(got.item() - want) <= 16 * eps * token.size(x), (rate, at)
                for key, got in zip(given, flowed, strict=True):

                    def along(v: mpmath.mpf, key: str = key) -> mpmath.mpf:
                        return mpmath.fdot(weights, Token.of(cell, values | {key: v}).end(x))  # noqa: B023

                    want = mpmath.diff(along, values[key])
                    size = token.size([mpmath.mpf(0)] * n) / abs(values[key])
                    assert abs(got.item() - want) <= 16 * eps * size, (rate, at, key)


@pytest.mark.parametrize("backend", ["auto", "torch"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", ["isotropic", "gated"])
def test_many_slow_tokens(name: str, dtype: torch.dtype, backend: str, folder: Path) -> None:
    """A state at rest follows the flow to a rounding a token; one at the fixed point stays there."""
    cell, eps, length = cell_of(derive(SYSTEMS[name])), torch.finfo(dtype).eps, 200
    own = module(name, folder)
    made, n = layer(own, 1, backend=backend).to(dtype), len(cell.state)
    for rate in (eps / 4, 10 * eps, 1e3 * eps, 1e-3):
        given = tokens(cell, rate, dtype, length)
        with mpmath.workdps(60):
            token = Token.of(cell, values_of(cell, made, given))
            exact = token.end([mpmath.mpf(0)] * n, length)
        state = made(**given)
        for a, want in zip(cell.state, exact, strict=True):
            got = getattr(state, a.name)[0, 0, -1].item()
            assert abs(got - want) <= length * eps * mpmath.norm(exact, 1), rate
