"""Channels that turn one another along a sequence: the step, its gradients, contraction, causality, refusals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import mpmath
import numpy as np
import pytest
import sympy as sp
import torch

from metrigen import Dissipation, Exponential, Param, SpecError, StructureError, canonical, derive, mix, total
from metrigen.discretise.sequence_laws import sequence_laws
from metrigen.integrators.scan import Scan, scan_of
from metrigen.ir.nodes import Cayley, ChannelMatmul, Program
from tests.lattice.emitted import compiled
from tests.sequence.checks import check_gradients, walked
from tests.sequence.coupled import COUPLED, B, D, alike, module, s
from tests.sequence.systems import a, cell, f, inputs, k, lam, layer, omega, p, part, q, state_class, states, turn, unit

pytestmark = pytest.mark.covering

BATCH, C, T = 2, 6, 21  # whole blocks and parts of them
Rate = Callable[[np.ndarray], np.ndarray]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("coupled")


def near(one: torch.Tensor, two: torch.Tensor, tolerance: float = 1e-12) -> None:
    torch.testing.assert_close(one, two, rtol=tolerance, atol=tolerance)


def rate(name: str, built: torch.nn.Module, drawn: dict[str, torch.Tensor], coupled: bool = True) -> Rate:
    """The right hand side of the derived equations in the channels of all fields, for one sample and token."""
    found = derive(COUPLED[name])
    fields, equations = list(found.fields), [sp.sympify(found.equations[u]) for u in found.fields]
    tokens = sorted({x for e in equations for x in e.atoms(sp.Function) if x.func.__name__ in drawn}, key=str)
    learned = sorted({x for e in equations for x in e.free_symbols if hasattr(built, x.name)}, key=str)
    given = [drawn[x.func.__name__].numpy() for x in tokens]
    for x in learned:
        value = getattr(built, x.name).detach().numpy()
        given.append(value * coupled if value.ndim == 2 else value)
    call = sp.lambdify([*fields, *tokens, *learned], equations, modules=[{"mix": lambda m, v: m @ v}, "numpy"])
    return lambda x: np.concatenate(call(*np.split(x, len(fields)), *given))


def affine(of: Rate, size: int) -> tuple[np.ndarray, np.ndarray]:
    """M and m of x' = M x + m."""
    m = of(np.zeros(size))
    return np.stack([of(e) - m for e in np.eye(size)], 1), m


def flow(M: np.ndarray, m: np.ndarray, x: np.ndarray, time: float) -> np.ndarray:
    """The exact flow at 30 digits."""
    n = len(x)
    with mpmath.workdps(30):
        whole = mpmath.zeros(n + 1)
        for i in range(n):
            for j in range(n):
                whole[i, j] = time * M[i, j]
            whole[i, n] = time * m[i]
        end = mpmath.expm(whole) * mpmath.matrix([*x, 1])
    return np.array([float(v) for v in end[:n]])


def time_of(name: str, built: torch.nn.Module) -> float:
    step = COUPLED[name].integrator.dt
    return float(built.dt.detach()) if step.is_Symbol else float(step)


@pytest.mark.parametrize("name", COUPLED)
def test_a_token_is_the_flow_of_the_channels_then_their_rotation(name: str, folder: Path) -> None:
    """Against dense matrices of the equations alone: the exact flow without the coupling, then the implicit midpoint
    rule of the coupling with its drive, which is what the Cayley transform about the fixed point is."""
    made = module(name, folder)
    built = layer(made, C)
    drawn = {n: x[0, :, 0] for n, x in inputs(made, 1, C, 1, seed=4).items()}
    state = states(made, 1, C)
    end = np.concatenate([x[0].detach().numpy() for x in built.step(state, **{n: x[None] for n, x in drawn.items()})])
    x, h = np.concatenate([v[0].numpy() for v in state]), time_of(name, built)
    M, m = affine(rate(name, built, drawn), len(x))
    alone, drive = affine(rate(name, built, drawn, coupled=False), len(x))
    assert np.abs(M - alone).max() > 0.1
    half, rest = h * (M - alone) / 2, h * (m - drive)
    expected = np.linalg.solve(np.eye(len(x)) - half, (np.eye(len(x)) + half) @ flow(alone, drive, x, h) + rest)
    np.testing.assert_allclose(end, expected, rtol=1e-12, atol=1e-12 * (1 + np.abs(expected).max()))


@pytest.mark.parametrize("name", ["momenta", "each"])
def test_short_tokens_converge_to_the_exponential_of_everything(name: str, folder: Path) -> None:
    """The product is of first order: half the step, half the error."""
    made = module(name, folder)
    built = layer(made, 4)
    drawn = {n: x[:, :, 0] for n, x in inputs(made, 1, 4, 1, seed=4, size=0.3).items()}
    state, h = states(made, 1, 4), 0.3
    x = np.concatenate([v[0].numpy() for v in state])
    exact = flow(*affine(rate(name, built, {n: v[0] for n, v in drawn.items()}), len(x)), x, h)
    errors = []
    for count in (64, 128, 256):
        built.dt = h / count
        end = state
        for _ in range(count):
            end = built.step(end, **drawn)
        errors.append(np.abs(np.concatenate([v[0].detach().numpy() for v in end]) - exact).max())
    assert errors[-1] < 1e-2
    for one, two in pairwise(errors):
        assert one / two == pytest.approx(2, rel=0.05)


@pytest.mark.parametrize("name", COUPLED)
def test_token_by_token_is_the_scan(name: str, folder: Path) -> None:
    """States, readout, and every gradient: of inputs, start, matrices and numbers."""
    made = module(name, folder)
    built, given, start = layer(made, C), inputs(made, BATCH, C, T), states(made, BATCH, C)
    leaves = [x.requires_grad_() for x in (*given.values(), *start)]
    whole = built(**given, state=start)
    read = built.readout(whole, before=start)
    kept, seen = walked(built, given, start, T)
    for x, y in zip(whole, (torch.stack(x, -1) for x in zip(*kept, strict=True)), strict=True):
        near(x, y)
    near(read, torch.stack(seen, -1))
    near(built.energy(whole), torch.stack([built.energy(x) for x in kept], -1))
    weight = torch.randn(read.shape, dtype=read.dtype, generator=torch.Generator().manual_seed(3))
    one = torch.autograd.grad((read * weight).sum(), [*leaves, *built.parameters()])
    two = torch.autograd.grad((torch.stack(seen, -1) * weight).sum(), [*leaves, *built.parameters()])
    for x, y in zip(one, two, strict=True):
        assert (x != 0).any()
        near(x, y, 1e-10)


@pytest.mark.parametrize("name", COUPLED)
@pytest.mark.parametrize("order", [1, 2])
def test_gradients(name: str, order: int, folder: Path) -> None:
    check_gradients(module(name, folder), 3, order)


@pytest.mark.parametrize("name", COUPLED)
def test_the_adjoint_is_the_transpose(name: str, folder: Path) -> None:
    """y.(J v) = (J^T y).v with J v by forward differentiation of the walk."""
    made = module(name, folder)
    reference = part(made, "reference")
    built = layer(made, C)
    like = torch.zeros(1, dtype=torch.float64)
    fixed = tuple(x.detach().clone() for x in (*built._coefficients(like), *built._rotations(like)))
    start, tokens = states(made, BATCH, C), tuple(x.mT.contiguous() for x in inputs(made, BATCH, C, T).values())
    arguments = (*start, *tokens, *fixed)
    n, m = len(start), len(tokens)

    def walk(*x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return reference.scan(x[:n], x[n : n + m], x[n + m :])

    generator = torch.Generator().manual_seed(5)
    v = tuple(torch.randn(x.shape, dtype=x.dtype, generator=generator) for x in arguments)
    out, moved = torch.func.jvp(walk, arguments, v)
    y = tuple(torch.randn(x.shape, dtype=x.dtype, generator=generator) for x in out)
    back = reference.scan_adjoint(y, out, start, tokens, fixed)
    one = sum((a * b).sum() for a, b in zip(y, moved, strict=True))
    two = sum((a * b).sum() for a, b in zip(back, v, strict=True))
    near(one, two, 1e-11)


@pytest.mark.parametrize("name", COUPLED)
def test_what_comes_later_has_no_effect(name: str, folder: Path) -> None:
    made = module(name, folder)
    built, given = layer(made, C), inputs(made, BATCH, C, T)
    at = 8
    leaves = [x.requires_grad_() for x in given.values()]
    out = built(**given)
    grads = torch.autograd.grad(tuple(x[..., : at + 1].sum() for x in out), leaves)
    for x in grads:
        assert (x[..., at + 1 :] == 0).all()
        assert (x[..., : at + 1] != 0).any()
    moved = {n: torch.cat((x[..., : at + 1], x[..., at + 1 :].abs() + 1), -1).detach() for n, x in given.items()}
    for x, y in zip(out, built(**moved), strict=True):
        assert torch.equal(x[..., : at + 1], y[..., : at + 1])


def test_channels_reach_their_block_and_no_other(folder: Path) -> None:
    made = module("alike", folder)
    built, given = layer(made, C), inputs(made, 1, C, T)
    drive = given["f"].requires_grad_()
    (grad,) = torch.autograd.grad(built(**given).q[0, 1, -1], drive)
    assert (grad[0, :4] != 0).any(1).all()
    assert (grad[0, 4:] == 0).all()


def test_without_coupling_it_is_the_layer_without(folder: Path) -> None:
    """B = 0 beside the spec that has no coupling: states, readout and gradients to rounding."""
    made, other = module("alike", folder), module("unlike", folder)
    built, plain = layer(made, C), layer(other, C)
    built.B = 0.0
    given, start = inputs(made, BATCH, C, T), states(made, BATCH, C)
    leaves = [x.requires_grad_() for x in (*given.values(), *start)]
    found, expected = (x(**given, state=start) for x in (built, plain))
    # Every token adds its rounding to a state that no token enlarges, in another order.
    tolerance = 10 * T * torch.finfo(torch.float64).eps
    for one, two in zip(found, expected, strict=True):
        near(one, two, tolerance * float(1 + two.detach().abs().max()))
    near(built.readout(found, before=start), plain.readout(expected, before=start), 1e-12)
    grads = [torch.autograd.grad(torch.cat(tuple(x)).square().sum(), leaves) for x in (found, expected)]
    for one, two in zip(*grads, strict=True):
        near(one, two, 1e-11)


def test_rotations_are_orthogonal_in_blocks(folder: Path) -> None:
    """Whatever the weights; the matrix is read and written as one, cut off behind the last channel."""
    made = module("each", folder)
    built = layer(made, C)
    built.raw_B.data = 300.0 * torch.randn_like(built.raw_B)
    built.D = built.D
    like = torch.zeros(1, dtype=torch.float64)
    for matrix, block in ((built.B, 4), (built.D, 3)):
        near(matrix, -matrix.mT)
        outside = torch.arange(C) // block
        assert (matrix[outside[:, None] != outside[None]] == 0).all()
    for rotation, block in zip(built._rotations(like), (4, 3), strict=True):
        assert rotation.shape == (-(-C // block), block, block)
        one = torch.eye(block, dtype=torch.float64).expand_as(rotation)
        near(rotation.mT @ rotation, one, 1e-13)
        assert not torch.equal(rotation, one)
        inside = torch.block_diag(*rotation)[C:]
        assert torch.equal(inside, torch.eye(len(inside) + C, dtype=torch.float64)[C:])


@pytest.mark.parametrize("size", [0.1, 1.0, 100.0])
@pytest.mark.parametrize("name", ["alike", "momenta", "lone"])
def test_two_states_under_the_same_tokens_never_move_apart(name: str, size: float, folder: Path) -> None:
    """In the norm of the energy, for couplings of any size; without friction it is kept."""
    made = module(name, folder)
    built = layer(made, C)
    for matrix in (x for x in ("B", "D", "wide") if hasattr(built, x)):
        raw = getattr(built, f"raw_{matrix}")
        raw.data = size * torch.randn(raw.shape, generator=torch.Generator().manual_seed(8)).double()
    drawn, start = inputs(made, BATCH, C, T), states(made, BATCH, C)
    drawn["lam"] *= 1e-2
    other = state_class(made)(*(x + 0.3 * y for x, y in zip(start, states(made, BATCH, C, seed=6), strict=True)))

    def apart() -> torch.Tensor:
        one, two = (torch.stack([*x]) for x in (built(**drawn, state=start), built(**drawn, state=other)))
        first = torch.stack([x - y for x, y in zip(start, other, strict=True)])
        return torch.cat((first[..., None], one - two), -1).square().sum((0, 2)).sqrt()

    distance = apart()
    # A few roundings of numbers of the size of the states, whose drive the difference does not see.
    assert (distance.diff(dim=1) <= 1e-12 * 100).all()
    assert (distance[:, -1] < distance[:, 0] - 1e-3).all()
    drawn["lam"] *= 0.0
    near(apart(), distance[:, :1].expand(BATCH, T + 1), 1e-10)


def spoilt(scan: Scan, how: str) -> Scan:
    """A step whose rotation is transposed, or a rotation of another angle."""

    def changed(program: Program, kind: type, **fields: object) -> Program:
        body = tuple(replace(x, **fields) if isinstance(x, kind) else x for x in program.body)
        return replace(program, body=body)

    if how == "transposed":
        return replace(scan, step=changed(scan.step, ChannelMatmul, transpose=True))
    assert scan.rotation is not None
    body = tuple(
        replace(x, expr=x.expr * sp.Float(1 + 1e-9)) if not isinstance(x, Cayley) else x for x in scan.rotation.body
    )
    return replace(scan, rotation=replace(scan.rotation, body=body))


@pytest.mark.parametrize("name", COUPLED)
def test_the_law_of_the_step(name: str) -> None:
    found = derive(COUPLED[name])
    scan = scan_of(found)
    (law,) = sequence_laws(found, scan)
    assert law.verdict == "proved"
    assert "R^T R = 1" in law.how
    for how in ("transposed", "angle"):
        with pytest.raises(StructureError) as caught:
            sequence_laws(found, spoilt(scan, how))
        assert caught.value.law == "step_contraction"
        assert caught.value.witness


def test_what_is_said_of_a_coupled_package() -> None:
    text = compiled(alike()).files
    assert "an exact rotation of coupled channels" in text["reference.py"]
    assert "step_contraction: proved" in text["reference.py"]
    assert "backend triton" not in text["reference.py"]
    assert "def scan_kernel(" in text["kernels.py"]
    assert '{"triton": None, "cpu": cpu}' in text["operators.py"]
    assert 'BACKENDS["triton"] = kernels' in text["operators.py"]
    assert "q by B with s = 1/2" in text["DERIVATION.md"]
    assert "8 for q, 8 for p" in text["DERIVATION.md"]


def test_blocks_that_no_program_can_hold_are_left_to_torch_on_a_gpu() -> None:
    """63 and 64 channels have whole blocks in common in 4032: CPU kernels, and a word about it."""
    wide, odd = (Param(f"B{n}", shape=("C", "C"), block=n, antisymmetric=True) for n in (64, 63))
    text = compiled(cell("s", bracket=lambda F, G: turn(F, G) + F[q] * mix(wide, G[q]) + F[p] * mix(odd, G[p]))).files
    assert "kernels.py" not in text
    assert "kernels.cpp" in text
    assert 'BACKENDS = ("auto", "cpu", "torch")' in text["module.py"]
    assert "triton" not in text["operators.py"]
    assert "backend triton has no program that can hold what has whole blocks" in text["reference.py"].replace(
        "\n#  ", ""
    )
    assert "Backend triton has no program that can hold" in text["DERIVATION.md"]


def test_half_precision_transforms_and_empty_sequences(folder: Path) -> None:
    made = module("alike", folder)
    built, given = layer(made, C), inputs(made, BATCH, C, 5)
    exact = built(**given)
    half = built.float()(**{n: x.bfloat16() for n, x in given.items()})
    assert half.q.dtype == torch.bfloat16
    same = built(**{n: x.bfloat16().float() for n, x in given.items()})
    torch.testing.assert_close(half.q.float(), same.q, rtol=2**-8, atol=1e-6)
    built = built.double()
    single = dict(given)
    stacked = torch.vmap(lambda x: built(**(single | {"f": x})).q)(torch.stack((given["f"], 2 * given["f"])))
    near(stacked[0], exact.q, 1e-6)
    assert built(**{n: x[..., :0] for n, x in given.items()}).q.shape == (BATCH, C, 0)
    assert built(**{n: x[:0] for n, x in given.items()}).q.shape == (0, C, 5)
    empty = {n: x[..., :0].clone().requires_grad_() for n, x in given.items()}
    start = state_class(made)(*(x.requires_grad_() for x in states(made, BATCH, C)))
    grads = torch.autograd.grad(built(**empty, state=start).q.sum(), [*empty.values(), built.raw_B], allow_unused=True)
    assert all(x is None or not x.any() for x in grads)
    for backend in ("torch", "auto"):
        layer(made, C, backend=backend)(**empty).q.sum().backward()


E_ = Param("E_", shape=("C", "C"), antisymmetric=True)
large = Param("large", shape=("C", "C"), block=128, antisymmetric=True)
W = Param("W", shape=("C", "C"), block=4)
S = Param("S", shape=("C", "C"), block=4, symmetric=True)
REFUSED = {
    "all channels": (lambda: with_turn(lambda F, G: F[p] * mix(E_, G[p])), "E_", "block=8"),
    "large blocks": (lambda: with_turn(lambda F, G: F[p] * mix(large, G[p])), "large", "at most 64"),
    "chosen by the tokens": (
        lambda: with_turn(lambda F, G: omega * F[p] * mix(B, omega * G[p])), "bracket", "every token"),
    "between the fields": (
        lambda: with_turn(lambda F, G: F[q] * mix(S, G[p]) - F[p] * mix(S, G[q])), "bracket", "F[q]*mix(B, G[q])"),
    "two matrices": (
        lambda: with_turn(lambda F, G: F[p] * mix(B, G[p]) + F[p] * mix(D, G[p])), "bracket", "one matrix"),
    "not declared antisymmetric": (
        lambda: with_turn(lambda F, G: F[p] * mix(W, G[p]) - G[p] * mix(W, F[p])), "bracket", "antisymmetric=True"),
    "sums of channels": (
        lambda: with_turn(lambda F, G: F[q] * total(G[p]) - F[p] * total(G[q])), "bracket", "mix(B"),
    "another norm": (
        lambda: cell("r", (a * q**2 + p**2) / 2 - f * q, lambda F, G: canonical((q, p))(F, G) + F[q] * mix(B, G[q]),
                     Dissipation((k, lambda F: F[p]))), "hamiltonian", "from channel to channel"),
    "a product of the fields": (
        lambda: cell("r", q**2 + p**2 + q * p - f * q,
                     lambda F, G: canonical((q, p))(F, G) + F[q] * mix(B, G[q]), Dissipation((k, lambda F: F[p]))),
        "hamiltonian", "product of q and p"),
    "a time for every channel": (
        lambda: with_turn(lambda F, G: F[p] * mix(B, G[p]),
                          integrator=Exponential(dt=Param("dt", per="channel", positive=True))),
        "integrator", "one time"),
    "a drive that is mixed": (lambda: cell("r", unit - mix(W, f) * q), "domain", "linear layer"),
    "friction that mixes": (
        lambda: cell("r", metric=Dissipation((lam, lambda F: mix(W, F[p])))), "domain", "linear layer"),
}  # fmt: skip


def with_turn(extra, **parts):
    return cell("r", bracket=lambda F, G: turn(F, G) + extra(F, G), **parts)


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_rotation_carries_out_is_refused_with_a_way_out(case: str) -> None:
    make, blamed, word = REFUSED[case]
    with pytest.raises(SpecError) as refused:
        compiled(make())
    assert refused.value.part == blamed
    assert refused.value.fix
    assert word in f"{refused.value.what} {refused.value.why} {refused.value.fix}"


def test_a_number_before_the_matrix_is_a_parameter_of_the_angle() -> None:
    scan = scan_of(derive(COUPLED["momenta"]))
    assert scan.rotation is not None
    assert {x.name for x in scan.rotation.inputs} == {"wide", "s", "dt"}
    assert s.name not in scan.coefficients
