"""Kernels of a scan against the reference: the CPU kernels, and the Triton kernels in the interpreter.

The file runs in both passes of the suite: the operators hold the kernels of the pass. What is called here by name is
the module of the pass, ``cpu`` or ``kernels``.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from types import ModuleType

import pytest
import torch

from generated.lm import module as lm_module
from tests.kernels.modes import CHECKED, COMPILER
from tests.kernels.operators import poison
from tests.kernels.scans import TOLERANCE, close, doubled
from tests.lengths import spread
from tests.sequence.systems import SYSTEMS, inputs, layer, module, part, state_class, states

pytestmark = pytest.mark.covering

INTERPRETED = lm_module.operators.OPERATORS.device_of.get("cpu") == "triton"
# One channel and several vectors with a rest; one token, whole and broken pieces (of 64, in the interpreter of 8).
SHAPES = ((1, 1, 1), (2, 3, 17), (1, 5, 8)) if INTERPRETED else ((1, 1, 1), (2, 3, 17), (1, 16, 64), (2, 37, 130))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scan")


def kernels_of(made: ModuleType) -> ModuleType:
    return part(made, "kernels" if INTERPRETED else "cpu")


def given(made: ModuleType, shape: tuple[int, int, int], dtype: torch.dtype, size: float = 1.0) -> tuple:  # type: ignore[type-arg]
    """(start, tokens, coefficients) as an operator takes them: (B, C), (B, T, C), (C,)."""
    b, c, t = shape
    drawn = tuple(x.mT.contiguous().to(dtype) for x in inputs(made, b, c, t, size=size).values())
    fixed = tuple(x.detach().to(dtype) for x in layer(made, c)._coefficients(torch.zeros(1, dtype=torch.float64)))
    return tuple(x.to(dtype) for x in states(made, b, c)), drawn, fixed


@pytest.mark.parametrize(("name", "dtype"), spread(product(SYSTEMS, TOLERANCE), 3))
def test_kernels_agree_with_the_reference(
    name: str, dtype: torch.dtype, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """States, every cotangent, readout and its cotangents, with memory that is poisoned; float32 against float64."""
    poison(monkeypatch)
    made = module(name, folder)
    reference, kernels = part(made, "reference"), kernels_of(made)
    if INTERPRETED:
        monkeypatch.setattr(kernels, "CHUNK", 8)
    for shape in SHAPES:
        start, tokens, fixed = given(made, shape, dtype)
        exact = reference.scan(*doubled(start, tokens, fixed))
        tolerance = TOLERANCE[dtype]
        close(kernels.scan(start, tokens, fixed), exact, tolerance)
        out = tuple(x.to(dtype) for x in exact)
        back = tuple(torch.randn_like(x) for x in out)
        expected = reference.scan_adjoint(*doubled(back, out, start, tokens, fixed))
        close(kernels.scan_adjoint(back, out, start, tokens, fixed), expected, tolerance)
        read = tuple(fixed[reference.COEFFICIENTS.index(n)] for n in reference.READS)
        expected = reference.readout_scan(*doubled(start, out, read))
        whole = torch.cat(kernels.readout_scan(start, out, read), 2)
        close((whole,), (torch.cat(expected, 2),), tolerance)
        grads = tuple(torch.randn_like(x).to(dtype) for x in expected)
        close(
            kernels.readout_scan_adjoint(grads, start, out, read),
            reference.readout_scan_adjoint(*doubled(grads, start, out, read)), tolerance,
        )  # fmt: skip


def test_a_walk_in_one_go_and_in_chunks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where samples and channels fill a device the sequence is not cut: the same states."""
    if not INTERPRETED:
        pytest.skip("the CPU kernels have no chunks")
    made = module("selective", folder)
    kernels = part(made, "kernels")
    start, tokens, fixed = given(made, (2, 5, 21), torch.float64)
    monkeypatch.setattr(kernels, "CHUNK", 8)
    chunked = kernels.scan(start, tokens, fixed)
    back = kernels.scan_adjoint(chunked, chunked, start, tokens, fixed)
    monkeypatch.setattr(kernels, "LANES", 1)
    close(kernels.scan(start, tokens, fixed), chunked, 1e-13)
    close(kernels.scan_adjoint(chunked, chunked, start, tokens, fixed), back, 1e-13)


def test_angles_of_every_size(folder: Path) -> None:
    """float32 sines of angles up to 8000, the size at which neighbouring numbers are 5e-4 apart."""
    made = module("isotropic", folder)
    reference, kernels = part(made, "reference"), kernels_of(made)
    start, tokens, fixed = given(made, (1, 64, 1), torch.float32)
    named = dict(zip(reference.TOKENS, tokens, strict=True))
    for size in (1.0, 50.0, 8000.0):
        named["omega"] = torch.linspace(-size, size, 64).reshape(1, 1, 64)
        found = kernels.scan(start, tuple(named.values()), fixed)
        close(found, reference.scan(*doubled(start, tuple(named.values()), fixed)), 1e-6)


def test_extreme_tokens_stay_bounded(folder: Path) -> None:
    """Nothing grows and nothing is undefined where the exponentials underflow and angles have no digits left."""
    for name in ("isotropic", "selective"):
        made = module(name, folder)
        reference, kernels = part(made, "reference"), kernels_of(made)
        values = torch.tensor([0.0, 1e-30, 1e-4, 1.0, 90.0, 1e4, 1e8, 1e15])
        omega, lam = (x.reshape(1, 1, 64).contiguous() for x in torch.meshgrid(values, values, indexing="ij"))
        nothing = torch.zeros_like(omega)
        named = {"omega": omega, "lam": lam, "f": nothing, "f_p": nothing}
        start = (torch.full((1, 64), 0.6), torch.full((1, 64), -0.8))
        q, p = kernels.scan(start, tuple(named[n] for n in reference.TOKENS), ())
        size = torch.sqrt(q.double() ** 2 + p.double() ** 2)
        assert torch.isfinite(size).all()
        assert (size <= 1 + 40 * torch.finfo(torch.float32).eps).all()


def test_opcheck(folder: Path) -> None:
    """Of the cell that takes every kind of argument."""
    made = module("constant", folder)
    registered, reference = part(made, "module").operators.OPERATORS.registered, part(made, "reference")
    start, tokens, fixed = given(made, (2, 3, 5), torch.float64)
    arguments = tuple(x.requires_grad_() for x in (*start, *tokens, *fixed))
    states_ = tuple(torch.randn_like(tokens[0]) for _ in start)
    read = tuple(fixed[reference.COEFFICIENTS.index(n)] for n in reference.READS)
    grad = torch.cat(reference.readout_scan(start, states_, read), 2).detach()
    calls = {
        "scan": arguments,
        "scan_adjoint": (*states_, *states_, *arguments),
        "readout": (*start, *states_, *read),
        "readout_adjoint": (grad, *start, *states_, *read),
    }
    for name, given_ in calls.items():
        torch.library.opcheck(registered[name], given_, test_utils=CHECKED)


@pytest.mark.parametrize("name", ["isotropic", "constant", "scalar"])
@pytest.mark.parametrize("order", [1, 2])
def test_gradients(name: str, order: int, folder: Path) -> None:
    made = module(name, folder)
    built, drawn, start = layer(made, 2), inputs(made, 1, 2, 4, size=0.5), states(made, 1, 2)
    leaves = [x.requires_grad_() for x in (*drawn.values(), *start)]

    def run(*x: torch.Tensor) -> torch.Tensor:
        before = state_class(made)(*x[len(drawn) :])
        out = built(**dict(zip(drawn, x, strict=False)), state=before)
        return torch.cat((*out, built.readout(out, before=before)), 1)

    check = torch.autograd.gradcheck if order == 1 else torch.autograd.gradgradcheck
    assert check(run, tuple(leaves), fast_mode=True)


def test_compile_transforms_and_checkpointing(folder: Path) -> None:
    made = module("isotropic", folder)
    built, drawn = layer(made, 3), inputs(made, 2, 3, 9)
    names = list(drawn)

    def read(*x: torch.Tensor) -> torch.Tensor:
        return built.readout(built(**dict(zip(names, x, strict=True))))

    leaves = tuple(x.requires_grad_() for x in drawn.values())
    compiled = torch.compile(read, fullgraph=True, backend=COMPILER)
    torch.testing.assert_close(compiled(*leaves), read(*leaves))
    for x, y in zip(
        torch.autograd.grad(compiled(*leaves).square().sum(), leaves),
        torch.autograd.grad(read(*leaves).square().sum(), leaves),
        strict=True,
    ):
        torch.testing.assert_close(x, y)
    plain = tuple(x.detach() for x in leaves)
    expected = torch.autograd.grad(read(*leaves).square().sum(), leaves[0])[0]
    torch.testing.assert_close(torch.func.grad(lambda x: read(x, *plain[1:]).square().sum())(plain[0]), expected)
    stacked = torch.vmap(lambda x: read(x, *plain[1:]))(torch.stack((plain[0], 2 * plain[0])))
    torch.testing.assert_close(stacked[1], read(2 * plain[0], *plain[1:]))
    kept = torch.utils.checkpoint.checkpoint(read, *leaves, use_reentrant=False).square().sum()
    torch.testing.assert_close(torch.autograd.grad(kept, leaves[0])[0], expected)


def test_gradients_are_the_same_bits_every_time(folder: Path) -> None:
    made = module("constant", folder)
    built, drawn = (
        layer(made, 20).float(),
        {n: x.float() for n, x in inputs(made, 2, 20, 9 if INTERPRETED else 130).items()},
    )

    def gradients() -> tuple[torch.Tensor, ...]:
        return torch.autograd.grad(built.readout(built(**drawn)).square().sum(), list(built.parameters()))

    assert all(torch.equal(x, y) for x, y in zip(gradients(), gradients(), strict=True))


def test_strides_of_every_kind(folder: Path) -> None:
    """Broadcast, transposed and sliced inputs and a cotangent that is one number."""
    made = module("isotropic", folder)
    built, drawn = layer(made, 3), inputs(made, 2, 3, 9)
    whole = built(**drawn)
    turned = {n: x.mT.contiguous().mT for n, x in drawn.items()}
    sliced = {n: torch.stack((x, x), -1)[..., 0] for n, x in drawn.items()}
    for given_ in (turned, sliced):
        torch.testing.assert_close(built(**given_).q, whole.q, rtol=1e-14, atol=1e-14)
    x = drawn["omega"].requires_grad_()
    (grad,) = torch.autograd.grad(built(**drawn).q.sum(), x)
    assert torch.isfinite(grad).all()


def test_the_shipped_layer(folder: Path) -> None:
    """specs/lm.py as it is checked in: backends agree, an unknown device is refused."""
    torch.manual_seed(0)
    given_ = {n: torch.randn(2, 4, 33) for n in ("theta", "lam", "f_q", "f_p")}
    given_["lam"] = given_["lam"].abs()
    expected = lm_module.Lm(4, backend="torch")(**given_)
    found = lm_module.Lm(4)(**given_)
    for x, y in zip(found, expected, strict=True):
        torch.testing.assert_close(x, y, rtol=1e-5, atol=1e-5)
    if not INTERPRETED:
        with pytest.raises(ValueError, match="triton"):
            lm_module.Lm(4, backend="triton")(**given_)
