"""``rollout_readout``: the readouts on the way are those of a rollout, and nobody holds its states."""

from __future__ import annotations

import os
from typing import Any

import pytest
import sympy as sp
import torch
from torch import Tensor

from metrigen import (
    Field,
    ImplicitMidpoint,
    Input,
    Lattice,
    Param,
    Strang,
    System,
    energy_density,
    grad,
    mix,
    stress_energy,
    t,
)
from tests.lattice.emitted import layer_class, package

pytestmark = [pytest.mark.covering, pytest.mark.filterwarnings("error:.*no CPU kernels")]
AXES = sp.symbols("x y", real=True)
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
K, CHANNELS, SAMPLES = (4, 2, 2) if INTERPRETED else (6, 3, 2)  # the interpreter takes its time
KINDS = {
    "site": ("neumann", 2, False, False), "row": ("zero", 1, False, True), "torus": ("periodic", 2, True, True),
    "numbers": ("neumann", 0, False, True), "samples": ("neumann", 0, True, True),
    "still": ("periodic", 1, False, False),
}  # fmt: skip


def system(name: str, hot: bool = False) -> System:
    """A field pushed by a source (by step where ``driven``) against a stiffness that stands still; both are read."""
    wall, rank, coupled, driven = KINDS[name]
    grid = Lattice(*AXES[:rank], boundary=wall)
    q, p = Field("q", grid), Field("p", grid)
    source, kappa = Input("source", grid, time_dependent=driven), Input("kappa", grid, positive=True)
    k, turn = Param("k", per="channel", positive=True, init=0.5), Param("turn", shape=("C", "C"), antisymmetric=True)
    stiff = grad(q).square if rank else q**2
    twist = (lambda F, G: F[p] * mix(turn, G[p])) if coupled else (lambda F, G: 0)
    return System(
        f"reading_{name}{'_hot' * hot}", grid, (q, p),
        hamiltonian=p**2 / 2 + k * q**4 / 4 + kappa * stiff / 2 - source * q + source**2 * kappa,
        bracket=lambda F, G: F[q] * G[p] - F[p] * G[q] + twist(F, G), metric=lambda F, G: F[p] * G[p] / 8,
        integrator=Strang(6, 0.05), readout=energy_density(), temperature=0.3 if hot else None,
    )  # fmt: skip


def drawn(name: str, steps: int, seed: int = 3) -> tuple[list[Tensor], dict[str, Tensor]]:
    _, rank, _, driven = KINDS[name]
    generator, sites = torch.Generator().manual_seed(seed), (6, 5)[:rank]

    def of(*shape: int) -> Tensor:
        return torch.randn(shape, dtype=torch.float64, generator=generator)

    frames = (steps,) if driven else ()
    state = [of(SAMPLES, CHANNELS, *sites).requires_grad_() for _ in range(2)]
    source, kappa = of(SAMPLES, CHANNELS, *frames, *sites), of(SAMPLES, CHANNELS, *sites).abs() + 0.5
    return state, {"source": source.requires_grad_(), "kappa": kappa.requires_grad_()}


def apart(layer: Any, state: list[Tensor], inputs: dict[str, Tensor], every: int, **further: Any) -> tuple[Tensor, ...]:
    """Rollout first, then the readout of what it kept."""
    states = layer.rollout(*state, **inputs, every=every, **further)
    seen = {n: x[:, :, every - 1 :: every] if n in layer.DRIVEN else x for n, x in inputs.items()}
    return (*states.last[: len(state)], layer.readout(states, **seen))


def gradients(found: tuple[Tensor, ...], leaves: list[Tensor]) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(5)
    weights = [torch.randn(x.shape, dtype=x.dtype, generator=generator) for x in found]
    return torch.autograd.grad(sum((w * x).sum() for w, x in zip(weights, found, strict=True)), leaves)


def layers(name: str, folder: Any, steps: int = K, hot: bool = False) -> tuple[Any, Any]:
    made = layer_class(package(system(name, hot), folder, f"reading_{name}{'_hot' * hot}"))
    ours, truth = (made(CHANNELS, backend=b, steps=steps).double() for b in ("auto", "torch"))
    for p, q in zip(ours.parameters(), truth.parameters(), strict=True):
        torch.nn.init.normal_(p, std=0.3), q.data.copy_(p.data)
    return ours, truth


@pytest.mark.parametrize("hot", [False, True])
@pytest.mark.parametrize("name", list(KINDS))
def test_readouts_on_the_way_are_those_of_the_states(name: str, hot: bool, tmp_path) -> None:
    if hot and name in ("torus", "row"):
        pytest.skip("as the others")
    ours, truth = layers(name, tmp_path, hot=hot)
    state, inputs = drawn(name, K)
    leaves = [*state, *inputs.values()]
    assert ours._rolled_readout is not None
    for every in (1, 2, K):
        seeded = {"generator": torch.Generator().manual_seed(2)} if hot else {}
        again = {"generator": torch.Generator().manual_seed(2)} if hot else {}
        third = {"generator": torch.Generator().manual_seed(2)} if hot else {}
        last, read = ours.rollout_readout(*state, **inputs, every=every, **seeded)
        *ends, expected = apart(ours, state, inputs, every, **again)
        assert read.shape == expected.shape
        assert read.shape[:3] == (SAMPLES, CHANNELS, K // every)
        for a, b in zip((*last, read), (*ends, expected), strict=True):
            assert torch.equal(a, b) or (INTERPRETED and torch.allclose(a, b, rtol=1e-13))
        slow_last, slow = truth.rollout_readout(*state, **inputs, every=every, **third)
        for a, b in zip((*last, read), (*slow_last, slow), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-11)
        mine, theirs = (
            gradients((*x, y), [*leaves, *layer.parameters()])
            for layer, x, y in ((ours, last, read), (truth, slow_last, slow))
        )
        for a, b in zip(mine, theirs, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", ["row", "numbers", "samples"])
def test_stretches_of_many_steps(name: str, tmp_path) -> None:
    """Beyond the steps of which all is kept; also of a loss on a few readouts, or on the last state alone."""
    steps = 8 if INTERPRETED else 300
    ours, truth = layers(name, tmp_path, steps)
    state, inputs = drawn(name, steps)
    leaves = [*state, *inputs.values()]
    for loss in (lambda last, read: read[:, :, -3:].sin().sum(), lambda last, read: last.q.square().sum()):
        mine, theirs = (
            torch.autograd.grad(loss(*layer.rollout_readout(*state, **inputs, every=4)), [*leaves, *layer.parameters()])
            for layer in (ours, truth)
        )
        for a, b in zip(mine, theirs, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-9)
    frames = [layer.rollout(*state, **inputs, every=4) for layer in (ours, truth)]
    mine, theirs = (
        torch.autograd.grad(x.q[:, :, ::5].cos().sum(), [*leaves, *layer.parameters()])
        for layer, x in zip((ours, truth), frames, strict=True)
    )
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-9)


@pytest.mark.skipif(INTERPRETED, reason="the memory of the CPU kernels")
@pytest.mark.parametrize("name", ["site", "numbers"])
def test_no_state_on_the_way_is_held(name: str, tmp_path, monkeypatch) -> None:
    ours, _ = layers(name, tmp_path)
    state, inputs = drawn(name, K)
    kernels = ours.OPERATORS.backends["cpu"]
    made, new = [], kernels._new

    def counting(like: Tensor, shape: Any = None, dtype: Any = None) -> Tensor:
        made.append(new(like, shape, dtype))
        return made[-1]

    monkeypatch.setattr(kernels, "_new", counting)
    last, read = ours.rollout_readout(*state, **inputs)
    assert sorted(x.numel() for x in made) == sorted([read.numel(), *(x.numel() for x in last)])
    made.clear()
    (read.sum() + last.q.sum()).backward()
    assert max(x.numel() for x in made) == state[0].numel()


def test_no_steps_read_nothing(tmp_path) -> None:
    ours, truth = layers("still", tmp_path)
    state, inputs = drawn("still", K)
    for layer in (ours, truth):
        last, read = layer.rollout_readout(*state, **inputs, steps=0)
        assert read.shape == (SAMPLES, CHANNELS, 0, 6)
        assert torch.equal(last.q, state[0])
        none = [x[:0] for x in state], {n: x[:0] for n, x in inputs.items()}
        last, read = layer.rollout_readout(*none[0], **none[1], every=2)
        assert read.shape == (0, CHANNELS, K // 2, 6)


def test_half_precision_and_steps_of_samples(tmp_path) -> None:
    ours, truth = layers("row", tmp_path)
    state, inputs = drawn("row", K)
    dt = torch.tensor([0.05, 0.02], dtype=torch.float64)
    for layer in (ours, truth):
        last, read = layer.rollout_readout(*state, **inputs, every=K // 2, dt=dt)
        for i in range(SAMPLES):
            one = [x[i : i + 1] for x in state], {n: x[i : i + 1] for n, x in inputs.items()}
            alone, seen = layer.rollout_readout(*one[0], **one[1], every=K // 2, dt=dt[i].item())
            torch.testing.assert_close(read[i : i + 1], seen)
            torch.testing.assert_close(last.q[i : i + 1], alone.q)
    half = ours.float().rollout_readout(*(x.bfloat16() for x in state), **{n: x.float() for n, x in inputs.items()})
    assert half[1].dtype == torch.bfloat16
    assert half[0].q.dtype == torch.bfloat16


def test_a_tensor_of_several_components(tmp_path) -> None:
    """What reads neighbours, of an unbounded number of components, against the readout of the states."""
    grid = Lattice(*AXES, boundary="neumann")
    phi = Field("phi", grid)
    c2 = Param("c2", per="channel", positive=True, init=0.5)
    made = layer_class(
        package(
            System("reading_tensor", grid, lagrangian=phi.diff(t) ** 2 / 2 - c2 * grad(phi).square / 2 - phi**4 / 4,
                   integrator=Strang(4, 0.05), readout=stress_energy()), tmp_path, "reading_tensor",
        )
    )  # fmt: skip
    layer = made(CHANNELS).double()
    state = [torch.randn(2, CHANNELS, 6, 5, dtype=torch.float64).requires_grad_() for _ in range(2)]
    last, read = layer.rollout_readout(*state, every=2)
    *ends, expected = apart(layer, state, {}, 2)
    assert read.shape[1] > CHANNELS
    pairs = zip((*last, read), (*ends, expected), strict=True)
    assert all(torch.equal(a, b) or (INTERPRETED and torch.allclose(a, b, rtol=1e-13)) for a, b in pairs)
    leaves = [*state, *layer.parameters()]
    for a, b in zip(gradients((*last, read), leaves), gradients((*ends, expected), leaves), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-11)


def test_solved_steps_are_read_in_a_second_pass(tmp_path) -> None:
    line = Lattice(AXES[0])
    u = Field("u", line)
    p = Field("p", line)
    made = layer_class(
        package(
            System("reading_solved", line, (u, p), hamiltonian=p**2 / 2 + u**4 / 4 + grad(u).square / 2,
                   bracket=lambda F, G: F[u] * G[p] - F[p] * G[u], integrator=ImplicitMidpoint(4, 0.05),
                   readout=stress_energy()), tmp_path, "reading_solved",
        )
    )  # fmt: skip
    layer = made(2).double()
    assert layer._rolled_readout is None
    state = [torch.randn(2, 2, 6, dtype=torch.float64) for _ in range(2)]
    last, read = layer.rollout_readout(*state, every=2)
    states = layer.rollout(*state, every=2)
    assert torch.equal(read, layer.readout(states))
    assert torch.equal(last.u, states.u[:, :, -1])
