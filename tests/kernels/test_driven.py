"""Inputs with a value for every step and explicit time: the kernels as the reference, and both as steps one by one."""

from __future__ import annotations

import os
import re

import pytest
import sympy as sp
import torch

from metrigen import (
    RK4,
    AverageVectorField,
    Composed,
    DiscreteGradient,
    Dissipation,
    ExplicitEuler,
    Field,
    ImplicitMidpoint,
    Input,
    Lattice,
    Leapfrog,
    Param,
    Strang,
    SymplecticEuler,
    System,
    energy_density,
    grad,
    mix,
    t,
)
from tests.lattice.emitted import layer_class, package

pytestmark = [pytest.mark.covering, pytest.mark.filterwarnings("error:.*no CPU kernels")]
AXES = sp.symbols("x y", real=True)
K, DT, CHANNELS = 4, 0.05, 3
METHODS = {
    "explicit": ExplicitEuler(K, DT), "rk4": RK4(K, DT), "symplectic": SymplecticEuler(K, DT),
    "leapfrog": Leapfrog(K, DT), "strang": Strang(K, DT), "composed": Composed(Strang(K, DT)),
    "midpoint": ImplicitMidpoint(K, DT), "gonzalez": DiscreteGradient(K, DT), "average": AverageVectorField(K, DT),
}  # fmt: skip
CELLS = [
    *((name, "neumann", 0) for name in METHODS),
    ("strang", "periodic", 1), ("leapfrog", "zero", 1), ("rk4", "neumann", 1), ("midpoint", "zero", 1),
    ("strang", "neumann", 2), ("explicit", "periodic", 2), ("coupled", "zero", 2), ("coupled", "neumann", 0),
]  # fmt: skip


def system(method: str, wall: str, rank: int, moving: bool = True) -> System:
    """A source at the site, a stiffness that neighbours share, and a term that knows the time."""
    grid = Lattice(*AXES[:rank], boundary=wall)
    source = Input("source", grid, time_dependent=moving)
    kappa = Input("kappa", grid, positive=True, time_dependent=moving)
    k = Param("k", per="channel", positive=True, init=0.5)
    integrator = METHODS.get(method, METHODS["strang"])
    clock = 1 + sp.cos(3 * t) / 4 if moving else 1
    if method in ("explicit", "rk4"):
        u = Field("u", grid)
        energy = clock * k * u**4 / 4 + kappa * (grad(u).square if rank else u**2) / 2 - source * u
        return System(f"driven_{method}", grid, (u,), hamiltonian=energy, metric=Dissipation((1, lambda F: F[u])),
                      integrator=integrator, readout=energy_density())  # fmt: skip
    q, p = Field("q", grid), Field("p", grid)
    energy = p**2 / 2 + clock * k * q**4 / 4 + kappa * (grad(q).square if rank else q**2) / 2 - source * q
    turn = Param("turn", shape=("C", "C"), antisymmetric=True)
    coupled = (lambda F, G: F[p] * mix(turn, G[p])) if method == "coupled" else (lambda F, G: 0)
    friction = None if method in ("symplectic", "leapfrog", "composed") else lambda F, G: F[p] * G[p] / 8
    return System(
        f"driven_{method}", grid, (q, p), hamiltonian=energy,
        bracket=lambda F, G: F[q] * G[p] - F[p] * G[q] + coupled(F, G), metric=friction, integrator=integrator,
        readout=energy_density(),
    )  # fmt: skip


def handed(rank: int, fields: int, frames: int, dtype: torch.dtype) -> tuple[list[torch.Tensor], dict]:
    sites, generator = (6, 5)[:rank], torch.Generator().manual_seed(3)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(shape, dtype=dtype, generator=generator)

    state = [draw(2, CHANNELS, *sites).requires_grad_() for _ in range(fields)]
    inputs = {"source": draw(2, CHANNELS, frames, *sites), "kappa": draw(2, CHANNELS, frames, *sites).abs() + 0.5}
    return state, {name: x.requires_grad_() for name, x in inputs.items()}


def gradients(layer: torch.nn.Module, fields: tuple, leaves: list[torch.Tensor]) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(5)
    weighted = (torch.randn(x.shape, dtype=x.dtype, generator=generator) * x for x in fields)
    return torch.autograd.grad(sum(x.sum() for x in weighted), [*leaves, *layer.parameters()])


@pytest.mark.parametrize(("method", "wall", "rank"), CELLS)
def test_frames_stream_through_the_steps(method: str, wall: str, rank: int, tmp_path) -> None:
    module = package(system(method, wall, rank), tmp_path, f"driven_{method}_{wall}_{rank}")
    ours, truth = (layer_class(module)(CHANNELS, backend=b).double() for b in ("auto", "torch"))
    for p, q in zip(ours.parameters(), truth.parameters(), strict=True):
        torch.nn.init.normal_(p, std=0.3), q.data.copy_(p.data)
    state, inputs = handed(rank, len(ours.FIELDS), K, torch.float64)
    names = ours.FIELDS
    ends = [layer(*state, **inputs, t0=0.7) for layer in (ours, truth)]
    step = tuple(state)
    for k in range(K):
        at = {name: x[:, :, k : k + 1] for name, x in inputs.items()}
        step = truth(*step[: len(names)], **at, steps=1, t0=0.7 + k * DT)
    leaves = [*state, *inputs.values()]
    found = [gradients(layer, end[: len(names)], leaves) for layer, end in zip((ours, truth), ends, strict=True)]
    for a, b, c in zip(ends[0], ends[1], step[: len(names)], strict=False):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-11)
        torch.testing.assert_close(b, c, rtol=1e-12, atol=1e-13)
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-9)
    for every in (1, 2):
        rolled = [layer.rollout(*state, **inputs, every=every, t0=0.7) for layer in (ours, truth)]
        for name in names:
            mine, theirs = (getattr(states, name) for states in rolled)
            assert mine.shape[2] == K // every
            assert torch.equal(mine[:, :, -1], getattr(ends[0], name))
            torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-11)
        pairs = [
            gradients(layer, states[: len(names)], leaves) for layer, states in zip((ours, truth), rolled, strict=True)
        ]
        for a, b in zip(*pairs, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-9)


def test_frames_that_stand_still_are_an_input_that_does(tmp_path) -> None:
    moving, still = (
        layer_class(package(system("strang", "neumann", 1, m), tmp_path, name))(CHANNELS).double()
        for m, name in ((True, "driven_strang_neumann_1"), (False, "driven_still"))
    )
    state, inputs = handed(1, 2, 1, torch.float64)
    clock = moving(*state, **inputs, t0=torch.pi / 6, dt=1e-12)  # cos(3 t) = 0 there
    held = still(*state, **{name: x[:, :, 0] for name, x in inputs.items()}, dt=1e-12)
    for a, b in zip(clock, held, strict=True):
        torch.testing.assert_close(a, b)
    read = moving.energy(clock, **{name: x[:, :, 0] for name, x in inputs.items()}, t=torch.pi / 6)
    torch.testing.assert_close(read, still.energy(held, **{name: x[:, :, 0] for name, x in inputs.items()}))


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> torch.nn.Module:
    module = package(system("strang", "neumann", 1), tmp_path_factory.mktemp("driven"), "driven_strang_neumann_1")
    return layer_class(module)(CHANNELS).double()


def test_sizes_of_one_broadcast(layer: torch.nn.Module) -> None:
    (q, p), inputs = handed(1, 2, K, torch.float64)
    narrow = {"source": inputs["source"][:1, :, :, :1], "kappa": inputs["kappa"][:, :1, :1]}
    wide = {name: x.expand(2, CHANNELS, K, 6) for name, x in narrow.items()}
    for a, b in zip(layer(q, p, **narrow), layer(q, p, **wide), strict=True):
        assert torch.equal(a, b)
    assert layer.rollout(q, p, **narrow).q.shape == (2, CHANNELS, K, 6)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda q, x: {"source": x["source"], "kappa": x["kappa"][:, :, :3]}, ["source", "4 steps", "kappa for 3"]),
        (lambda q, x: {**x, "steps": 5}, ["kappa", "4 steps", "steps=5"]),
        (lambda q, x: {**x, "source": x["source"][:, :, 0]}, ["source", "(B, 3, K, *S)", "unsqueeze(2)"]),
        (lambda q, x: {**x, "source": x["source"][..., :4]}, ["source", "does not broadcast"]),
        (lambda q, x: {**x, "every": 3}, ["4 steps", "every=3"]),
    ],
)
def test_what_does_not_fit_is_told(layer: torch.nn.Module, change, words: list[str]) -> None:
    (q, p), inputs = handed(1, 2, K, torch.float64)
    given = change(q, inputs)
    with pytest.raises(ValueError, match=re.escape(words[0])) as told:
        (layer.rollout if "every" in given else layer)(q, p, **given)
    assert all(word in str(told.value) for word in words), told.value


def test_a_trajectory_is_read_as_its_states(layer: torch.nn.Module) -> None:
    (q, p), inputs = handed(1, 2, K, torch.float64)
    last, read = layer.rollout_readout(q, p, **inputs, every=2, t0=0.3)
    states = layer.rollout(q, p, **inputs, every=2, t0=0.3)
    for i, k in enumerate((2, 4)):
        at = type(states)(*(x[:, :, i] for x in states))
        frame = {name: x[:, :, k - 1] for name, x in inputs.items()}
        torch.testing.assert_close(read[:, :, i], layer.readout(at, **frame, t=0.3 + k * DT))
    frames = {name: x[:, :, 1::2] for name, x in inputs.items()}
    times = 0.3 + DT * torch.tensor([2.0, 4.0], dtype=torch.float64)
    energies = layer.energy(states, **frames, t=times)
    torch.testing.assert_close(
        energies[:, -1], layer.energy(last, **{n: x[:, :, -1] for n, x in inputs.items()}, t=times[-1])
    )


@pytest.mark.parametrize("name", ["t0", "dt"])
def test_kernels_that_are_insisted_on_refuse_the_gradient_of_a_time(layer: torch.nn.Module, name: str) -> None:
    (q, p), inputs = handed(1, 2, K, torch.float64)
    layer = type(layer)(CHANNELS, backend="triton" if os.environ.get("TRITON_INTERPRET") == "1" else "cpu").double()
    time = torch.tensor(0.05, dtype=torch.float64, requires_grad=True)
    with pytest.raises(ValueError, match="has no gradient in dt and t0 of a system that depends on the time"):
        layer(q, p, **inputs, **{name: time})
    assert layer(q, p, **inputs, **{name: time.detach()}).q.isfinite().all()


def test_a_tensor_of_times_has_gradients(layer: torch.nn.Module) -> None:
    (q, p), inputs = handed(1, 2, K, torch.float64)
    held = {name: x.detach() for name, x in inputs.items()}
    t0 = torch.tensor([0.3, 1.1], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda s: layer(q.detach(), p.detach(), **held, t0=s).q, (t0,))
    layer(q, p, **held, t0=t0)
    assert layer.last_backend == "torch"
    alone = layer(q[1:], p[1:], **{n: x[1:] for n, x in held.items()}, t0=1.1)
    torch.testing.assert_close(layer(q, p, **held, t0=t0).q[1:], alone.q)
