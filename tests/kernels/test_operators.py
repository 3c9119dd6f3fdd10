"""The registered operators: opcheck, gradients of first and second order, compile, transforms, odd inputs.

The suite runs twice: as it is (torch reference behind the operators) and with TRITON_INTERPRET=1, where the same
operators run the Triton kernels on the CPU.
"""

from __future__ import annotations

import pytest
import torch

from generated.coupled_wave import module as wave_module
from generated.maze import module as maze_module
from tests.kernels.modes import CHECKED, COMPILER
from tests.kernels.operators import fields, inputs, maze, poison, wave
from tests.lengths import picked

pytestmark = pytest.mark.covering

INTERPRETED = wave_module.operators.OPERATORS.device_of.get("cpu") == "triton"


def readout(layer: torch.nn.Module, *state: torch.Tensor) -> torch.Tensor:
    out = layer(*state)
    return layer.readout(out)


def step_arguments(layer: torch.nn.Module) -> tuple:  # type: ignore[type-arg]
    phi, pi = fields()
    decay, rotation = wave_module.reference.prologue(layer.B, layer.dt, layer.gamma)
    named = {"K": layer.K, "c2": layer.c2, "dt": layer.dt, "lam": layer.lam, "m2": layer.m2}
    fixed = [x.detach().requires_grad_() for x in (*named.values(), decay, rotation)]
    return (phi, pi, *fixed, 2)


def test_opcheck_of_the_step() -> None:
    arguments = step_arguments(wave())
    torch.library.opcheck(wave_module.operators.OPERATORS.registered["evolve"], arguments, test_utils=CHECKED)
    cotangents = tuple(torch.randn_like(x) for x in arguments[:2])
    adjoint = wave_module.operators.OPERATORS.registered["evolve_adjoint"]
    torch.library.opcheck(adjoint, (*cotangents, *arguments), test_utils=CHECKED)


def test_opcheck_of_the_readout() -> None:
    phi, pi, K, c2, _, lam, m2, *_ = step_arguments(wave())
    registered, read = wave_module.operators.OPERATORS.registered, (phi, pi, K, c2, lam, m2)
    torch.library.opcheck(registered["readout"], read, test_utils=CHECKED)
    grad = torch.randn(1, 12, 4, 3, dtype=torch.float64)
    torch.library.opcheck(registered["readout_adjoint"], (grad, *read), test_utils=CHECKED)


def test_opcheck_of_the_solve() -> None:
    given = inputs()
    b, start = given["s"], torch.zeros_like(given["s"])
    options = ("cg", 1e-12, 1e-12, 0.0, 200, True)
    torch.library.opcheck(
        maze_module.operators.OPERATORS.registered["solve_linear"],
        (b, start, given["kappa"], given["m2"], *options),
        test_utils=CHECKED,
    )
    adjoint = maze_module.operators.OPERATORS.registered["operator_adjoint"]
    torch.library.opcheck(adjoint, (b, start + 1, given["kappa"], given["m2"]), test_utils=CHECKED)


@pytest.mark.parametrize("order", [1, 2])
def test_gradients_of_the_layer(order: int) -> None:
    layer = wave(steps=1 if INTERPRETED else 2)
    phi, pi = fields((2, 3))
    parameters = [p.detach().clone().requires_grad_() for p in layer.parameters()]
    names = [name for name, _ in layer.named_parameters()]

    def function(*arguments: torch.Tensor) -> torch.Tensor:
        values = dict(zip(names, arguments[2:], strict=True))
        return torch.func.functional_call(layer, values, arguments[:2]).phi

    check = torch.autograd.gradcheck if order == 1 else torch.autograd.gradgradcheck
    assert check(function, (phi, pi, *parameters), fast_mode=True)


@pytest.mark.parametrize("order", [1, 2])
def test_gradients_of_the_readout(order: int) -> None:
    layer = wave(steps=0)
    check = torch.autograd.gradcheck if order == 1 else torch.autograd.gradgradcheck
    assert check(lambda phi, pi: readout(layer, phi, pi), fields((2, 3)), fast_mode=True)


@pytest.mark.parametrize("order", [1, 2])
def test_gradients_of_the_solve(order: int) -> None:
    given = inputs((2, 3))
    layer = maze(rtol=1e-13)
    check = torch.autograd.gradcheck if order == 1 else torch.autograd.gradgradcheck
    assert check(lambda *a: layer(*a).u, tuple(given.values()), fast_mode=True)


# Rows of one length where they can be: kernels of the CPU are compiled for each.
@pytest.mark.parametrize("size", picked([(1, 1), (1, 3), (7, 3), (1, 5)], (1, 1), (1, 3), (7, 3)))
def test_kernels_agree_with_the_reference(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Values and every gradient, with outputs poisoned by NaN."""
    poison(monkeypatch)
    results = []
    for backend in ("auto", "torch"):
        layer = wave(backend=backend)
        phi, pi = fields(size, batch=2)
        value = readout(layer, phi, pi)
        results.append((value, *torch.autograd.grad((value**2).sum(), (phi, pi, *layer.parameters()))))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("solver", ["cg", "monotone"])
def test_solves_agree_with_the_reference(solver: str, monkeypatch: pytest.MonkeyPatch) -> None:
    poison(monkeypatch)
    results = []
    for backend in ("auto", "torch"):
        layer = maze(backend=backend, solver=solver, rtol=1e-9)
        layer.atol, layer.max_iter = 0, float(layer.max_iter)  # C takes whole numbers and others by other registers
        given = inputs((2, 3))
        state = layer(**given)
        value = layer.readout(state, **given)
        grads = torch.autograd.grad((value**2).sum(), tuple(given.values()))
        results.append((state.u, state.iterations, value, *grads))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


def test_float32_and_half_precision() -> None:
    double = wave()
    phi, pi = fields()
    expected = double(phi, pi).phi
    single = wave().float()(phi.float(), pi.float()).phi
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), expected, rtol=1e-5, atol=1e-5)
    half = wave().float()(phi.bfloat16(), pi.bfloat16()).phi
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.double(), expected, rtol=0.05, atol=0.1)


def test_no_steps_empty_batch_and_strides() -> None:
    phi, pi = fields()
    still = wave(steps=0)(phi, pi)
    assert torch.equal(still.phi, phi)
    assert still.phi.data_ptr() != phi.data_ptr()
    layer = wave()
    assert layer(phi[:0], pi[:0]).phi.shape == (0, 2, 4, 3)
    assert layer.readout(layer(phi[:0])).shape == (0, 12, 4, 3)
    turned = phi.detach().transpose(2, 3).contiguous().transpose(2, 3)
    assert not turned.is_contiguous()
    torch.testing.assert_close(layer(turned, pi).phi, layer(phi, pi).phi, rtol=1e-14, atol=1e-14)


def test_gradients_are_the_same_bits_every_time() -> None:
    layer = wave()
    phi, pi = fields(batch=3)

    def gradients() -> tuple[torch.Tensor, ...]:
        return torch.autograd.grad((readout(layer, phi, pi) ** 2).sum(), list(layer.parameters()))

    assert all(torch.equal(a, b) for a, b in zip(gradients(), gradients(), strict=True))


def test_partial_outputs() -> None:
    layer = wave()
    phi, pi = fields()
    only = torch.autograd.grad(layer(phi, pi).pi.sum(), (phi, pi))
    assert all(torch.isfinite(g).all() for g in only)


def test_compile() -> None:
    layer, solve, given = wave(), maze(), inputs()
    phi, pi = fields()
    compiled = torch.compile(lambda a, b: readout(layer, a, b), fullgraph=True, backend=COMPILER)
    torch.testing.assert_close(compiled(phi, pi), readout(layer, phi, pi))
    torch.testing.assert_close(
        torch.autograd.grad(compiled(phi, pi).sum(), phi)[0], torch.autograd.grad(readout(layer, phi, pi).sum(), phi)[0]
    )
    torch.testing.assert_close(torch.compile(solve, fullgraph=True, backend=COMPILER)(**given).u, solve(**given).u)


def test_functional_transforms() -> None:
    layer = wave()
    phi, pi = (x.detach() for x in fields(batch=2))

    def loss(a: torch.Tensor) -> torch.Tensor:
        return (readout(layer, a, pi) ** 2).sum()

    expected = torch.autograd.grad(loss(phi.requires_grad_()), phi)[0]
    phi = phi.detach()
    torch.testing.assert_close(torch.func.grad(loss)(phi), expected)
    tangent = torch.randn_like(phi)
    _, derivative = torch.func.jvp(loss, (phi,), (tangent,))
    torch.testing.assert_close(derivative, (expected * tangent).sum())
    stacked = torch.vmap(lambda a: layer(a, pi).phi)(torch.stack([phi, 2 * phi]))
    torch.testing.assert_close(stacked[1], layer(2 * phi, pi).phi)
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(phi, tangent)
        unpacked = torch.autograd.forward_ad.unpack_dual(loss(dual))
        torch.testing.assert_close(unpacked.tangent, derivative)
    with pytest.raises(RuntimeError, match=r"torch\.func"):
        torch.func.grad(lambda s: maze()(s + 1, s + 1, s).u.sum())(torch.ones(1, 1, 2, 2))


def test_autocast_and_checkpointing() -> None:
    layer = wave().float()
    phi, pi = (x.float() for x in fields())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(layer(phi, pi).phi, layer(phi, pi).phi)
    phi = phi.detach().requires_grad_()
    checkpointed = torch.utils.checkpoint.checkpoint(lambda a: readout(layer, a, pi).sum(), phi, use_reentrant=False)
    plain = readout(layer, phi, pi).sum()
    torch.testing.assert_close(torch.autograd.grad(checkpointed, phi)[0], torch.autograd.grad(plain, phi)[0])


def test_errors_of_use() -> None:
    layer = wave()
    phi, pi = fields()
    with pytest.raises(ValueError, match="channels"):
        layer(phi[:, :1])
    with pytest.raises(ValueError, match="differ in shape"):
        layer(phi, pi[..., :2])
    with pytest.raises(ValueError, match="floating point"):
        layer(torch.ones(1, 2, 3, 3, dtype=torch.int64))
    with pytest.raises(ValueError, match="backend"):
        wave(backend="fortran")
    if not INTERPRETED:
        with pytest.raises(ValueError, match="triton"):
            wave(backend="triton")(phi)


def test_parameters_keep_their_constraints() -> None:
    layer = wave()
    for parameter in layer.parameters():
        parameter.data.uniform_(-50, 50)
    assert (layer.c2 > 0).all()
    assert (layer.gamma >= 0).all()
    assert layer.dt > 0
    assert torch.equal(layer.K, layer.K.mT)
    assert torch.equal(layer.B, -layer.B.mT)
    layer.c2 = 0.37
    torch.testing.assert_close(layer.c2.detach(), torch.full((2,), 0.37, dtype=torch.float64))
    again = wave()
    again.load_state_dict(layer.state_dict())
    assert torch.equal(again.c2, layer.c2)


@pytest.mark.parametrize("steps", [0, 2])
def test_forward_and_readout_in_one_go(steps: int) -> None:
    """The fused operator is the readout after the steps: values, gradients, opcheck."""
    found = []
    for fused in (False, True):
        layer = wave(steps=steps)
        phi, pi = fields(batch=2)
        if fused:
            state, value = layer.forward_readout(phi, pi)
        else:
            state = layer(phi, pi)
            value = layer.readout(state)
        loss = value.square().sum() + state.pi.square().sum()
        found.append((value, *state, *torch.autograd.grad(loss, (phi, pi, *layer.parameters()), allow_unused=True)))
    for a, b in zip(*found, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)
    if steps:
        arguments = step_arguments(wave())
        torch.library.opcheck(
            wave_module.operators.OPERATORS.registered["evolve_readout"], arguments, test_utils=CHECKED
        )
        grad = torch.randn(1, 12, 4, 3, dtype=torch.float64)
        cotangents = tuple(torch.randn_like(x) for x in arguments[:2])
        adjoint = wave_module.operators.OPERATORS.registered["evolve_readout_adjoint"]
        torch.library.opcheck(adjoint, (grad, *cotangents, *arguments), test_utils=CHECKED)
