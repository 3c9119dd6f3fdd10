"""``check_step``: its error against a run with a far finer step, its suggestion, and what it says of energy."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
import sympy as sp
import torch
from torch import Tensor

from metrigen import (
    RK4,
    Composed,
    Dissipation,
    ExplicitEuler,
    Field,
    Graph,
    ImplicitMidpoint,
    Input,
    Lattice,
    Leapfrog,
    Param,
    Strang,
    System,
    energy_density,
    grad,
    momentum,
    t,
)
from tests.lattice.emitted import layer_class, package
from tests.surface.systems import C, drawn

K, DT = 6, 0.15
METHODS = {
    "strang": Strang(K, DT), "rk4": RK4(K, DT), "euler": ExplicitEuler(K, DT), "midpoint": ImplicitMidpoint(K, DT),
}  # fmt: skip


def wave(method: Any, moving: bool = True) -> System:
    """A nonlinear wave with friction, pushed by an input of every step and by a clock."""
    x = sp.Symbol("x", real=True)
    line = Lattice(x, boundary="neumann")
    u, push = Field("u", line), Input("push", line, time_dependent=True)
    p = momentum(u)
    drive = (push + sp.cos(2 * t)) * u if moving else 0
    return System(
        "checked", line, lagrangian=u.diff(t) ** 2 / 2 - grad(u).square / 2 - u**4 / 4 + drive, integrator=method,
        metric=(lambda F, G: F[p] * G[p] / 5) if moving else None, readout=energy_density(),
    )  # fmt: skip


def made(system: System, folder: Any, name: str, backend: str = "torch") -> Any:
    return layer_class(package(system, folder, f"check_{name}"))(C, backend=backend).double()


def true_errors(layer: Any, state: tuple[Tensor, ...], split: int, **inputs: Any) -> dict[str, float]:
    """Of the worst sample, against ``split`` times as many steps."""
    driven = {n: x.repeat_interleave(split, 2) if n in layer.DRIVEN else x for n, x in inputs.items()}
    end, fine = layer(*state, **inputs), layer(*state, **driven, steps=layer.steps * split, dt=layer.dt / split)
    found = {}
    for name, first in zip(layer.FIELDS, state, strict=True):
        a, b = (getattr(z, name).flatten(1) for z in (end, fine))
        size = torch.maximum(first.flatten(1).norm(dim=1), b.norm(dim=1))
        found[name] = float(((a - b).norm(dim=1) / size).max())
    return found


@pytest.mark.parametrize("name", METHODS)
def test_the_error_is_the_true_one_within_a_factor_of_two(name: str, tmp_path) -> None:
    layer = made(wave(METHODS[name]), tmp_path, name, "auto" if name == "strang" else "torch")
    state, push = (drawn((3, C, 7), 1), drawn((3, C, 7), 2)), drawn((3, C, K, 7), 3)
    found = layer.check_step(*state, push=push, t0=0.4)
    true = true_errors(layer, state, 256 if name == "euler" else 32, push=push, t0=0.4)
    for field, error in true.items():
        assert error / 2 < found.error[field] < 2 * error, (found, true)
    assert found.order == METHODS[name].order == layer.ORDER
    assert (found.steps, found.tried) == (K, DT)


@pytest.mark.parametrize("name", ["strang", "rk4"])
def test_the_suggested_step_is_within_the_tolerance_and_not_far_within(name: str, tmp_path) -> None:
    layer = made(wave(METHODS[name]), tmp_path, f"{name}_suggested")
    state, push = (drawn((3, C, 7), 1), drawn((3, C, 7), 2)), drawn((3, C, 1, 7), 3)
    first = layer.check_step(*state, push=push)
    tolerance = max(first.error.values()) / 3
    found = layer.check_step(*state, push=push, tolerance=tolerance)
    assert not found.fine
    steps = math.ceil(K * DT / found.dt)
    again = layer.check_step(*state, push=push, steps=steps, dt=K * DT / steps, tolerance=tolerance)
    assert again.fine
    assert max(again.error.values()) > tolerance / 4
    assert layer.check_step(*state, push=push, tolerance=1e9).dt == pytest.approx(2 * DT)


def test_a_conserved_energy_drifts_by_what_the_two_ends_say(tmp_path) -> None:
    layer = made(wave(Leapfrog(K, DT), moving=False), tmp_path, "kept")
    state = drawn((3, C, 7), 1), drawn((3, C, 7), 2)
    states = layer.rollout(*state)
    energies = layer.energy(states)
    gained = (energies[:, -1] - layer.energy(type(states)(*state))).abs() / energies.amax(1)
    assert layer.check_step(*state).drift == pytest.approx(float(gained.max()), rel=1e-9)
    assert layer.check_step(layer(*state, steps=0)).drift == pytest.approx(float(gained.max()), rel=1e-9)


def test_the_balance_falls_with_the_square_of_the_step(tmp_path) -> None:
    layer = made(wave(RK4(K, DT)), tmp_path, "balance")
    state, push = (drawn((3, C, 7), 1), drawn((3, C, 7), 2)), drawn((3, C, 1, 7), 3)
    coarse, fine = (layer.check_step(*state, push=push, steps=K * n, dt=DT / n).drift for n in (2, 4))
    assert coarse / fine == pytest.approx(4, rel=0.2)


def test_samples_with_steps_and_times_of_their_own(tmp_path) -> None:
    layer = made(wave(RK4(K, DT)), tmp_path, "own")
    state, push = (drawn((3, C, 7), 1), drawn((3, C, 7), 2)), drawn((3, C, 1, 7), 3)
    dt, t0 = torch.tensor([0.1, 0.2, 0.15]).double(), torch.tensor([0.0, 1.0, 2.0]).double()
    found = layer.check_step(*state, push=push, dt=dt, t0=t0)
    alone = [
        layer.check_step(*(x[i : i + 1] for x in state), push=push[i : i + 1], dt=dt[i], t0=float(t0[i]))
        for i in range(3)
    ]
    assert found.error["u"] == pytest.approx(max(one.error["u"] for one in alone), rel=1e-9)
    assert found.drift == pytest.approx(max(one.drift for one in alone), rel=1e-9)
    assert found.dt == pytest.approx(min(one.dt for one in alone), rel=1e-9)


def test_a_point_a_composition_and_a_graph(tmp_path) -> None:
    q = Field("q", Lattice())
    point = System("checked", Lattice(), lagrangian=q.diff(t) ** 2 / 2 - q**4 / 4, readout=energy_density(),
                   integrator=Composed(Strang(K, DT), order=4))  # fmt: skip
    layer = made(point, tmp_path, "point")
    state = drawn((3, C), 1) + 1, drawn((3, C), 2)
    found, true = layer.check_step(*state), true_errors(layer, state, 16)
    assert layer.ORDER == 4
    assert all(error / 2 < found.error[name] < 2 * error for name, error in true.items())
    graph = Graph()
    u = Field("u", graph)
    heat = System("checked", graph, (u,), hamiltonian=(2 + sp.cos(t)) * grad(u).square / 2, readout=energy_density(),
                  metric=Dissipation((1, lambda F: F[u])), integrator=RK4(K, 0.03))  # fmt: skip
    layer = made(heat, tmp_path, "graph")
    edges, start = torch.tensor([[0, 1, 2, 3], [1, 2, 3, 0]]), (drawn((3, C, 4), 1),)
    for given in ({"edge_index": edges}, {}):
        found = layer.check_step(*start, **given, t0=0.3)
        true = true_errors(layer, start, 16, **given, t0=0.3)
        assert true["u"] / 2 < found.error["u"] < 2 * true["u"]
        assert 0 < found.drift < 0.02


def test_it_prints_itself_in_a_line_and_records_nothing(tmp_path) -> None:
    layer = made(wave(Strang(K, DT)), tmp_path, "line")
    state = drawn((3, C, 7), 1).requires_grad_(), drawn((3, C, 7), 2)
    text = repr(layer.check_step(*state, push=torch.zeros(1, 1, 1, 1)))
    assert re.fullmatch(
        r"6 steps of 0.15, order 2: relative error u \S+, pi \S+: not within 0.001; energy balance off by \S+; "
        r"suggested dt=\S+",
        text,
    ), text


def test_what_cannot_be_checked_is_told(tmp_path) -> None:
    learned = made(wave(Strang(K, Param("dt", positive=True, init=0.1)), moving=False), tmp_path, "learned")
    with pytest.raises(ValueError, match="the time step of CheckLearned is learned"):
        learned.check_step(drawn((3, C, 7), 1))
    layer = made(wave(Strang(K, DT), moving=False), tmp_path, "told")
    with pytest.raises(ValueError, match="steps=0"):
        layer.check_step(drawn((3, C, 7), 1), steps=0)
    with pytest.raises(ValueError, match="a batch of none"):
        layer.check_step(torch.zeros(0, C, 7))
    with pytest.raises(ValueError, match="tolerance=0 must be positive"):
        layer.check_step(drawn((3, C, 7), 1), tolerance=0)


def test_a_layer_that_depends_on_the_time_reads_with_one_whatever_it_reads(tmp_path) -> None:
    """A bracket that moves and an energy that does not: every method takes t, and a rollout is read."""
    q, p = Field("q", Lattice()), Field("p", Lattice())
    system = System("checked", Lattice(), (q, p), hamiltonian=p**2 / 2 + q**4 / 4, readout=energy_density(),
                    bracket=lambda F, G: (2 + sp.cos(t)) * (F[q] * G[p] - F[p] * G[q]),
                    integrator=RK4(K, DT))  # fmt: skip
    layer = made(system, tmp_path, "turning")
    state = drawn((3, C), 1), drawn((3, C), 2)
    last, read = layer.rollout_readout(*state, t0=0.3)
    assert torch.equal(read[:, :, -1], layer.readout(last))
    assert torch.equal(layer.energy(last, t=2.0), layer.energy(last))
