"""What the arm is: its emitted layer against mechanics, identification, plans, and the simulator where there is one."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
import torch
from rich.console import Console
from torch import Tensor

from generated.reacher import Reacher
from trainers.common import Display, Run, make_fabric
from trainers.identify import LevenbergMarquardt, uncertainty
from trainers.reacher_models import GEAR, STEP, Arm, RateNetwork
from trainers.reacher_planner import Planner, costs, reach
from trainers.reacher_training import SCALE, Options, Task, examine, identified, train
from trainers.reacher_worlds import EPISODE, Mujoco, Own, World, fingertip, free_of_limit, random_episodes
from trainers.trajectories import Shooting

LIGHT = {"a": 0.7, "b": 0.2, "c": 0.3, "k": 0.15, "u": 2.0, "v": 1.0, "d_q": 0.4, "d_r": 0.3}


def double(*numbers: float) -> Tensor:
    return torch.tensor([numbers], dtype=torch.float64)


def arm_of(**numbers: float) -> Arm:
    return Arm(Reacher(1, init=LIGHT | numbers, dtype=torch.float64, dt=STEP))


def test_the_energy_is_that_of_the_two_links() -> None:
    """T = 1/2 w.M w and V of an arm with the mass matrix written out; the layer knows momenta, the arm speeds."""
    arm, state = arm_of(), double(0.3, 0.8, 1.5, -2.0)
    q, r, w, s = state[0].tolist()
    n = LIGHT
    c = float(torch.tensor(r, dtype=torch.float64).cos())
    first, mixed, second = n["a"] + n["c"] + 2 * n["k"] * c, n["c"] + n["k"] * c, n["b"] + n["c"]
    kinetic = first * w**2 / 2 + mixed * w * s + second * s**2 / 2
    sines = torch.tensor([q, q + r], dtype=torch.float64).sin().tolist()
    still = torch.zeros(1, 1, dtype=torch.float64)
    found = arm.layer.energy(arm.layer.STATE(*arm.with_momenta(state)), f=still, g=still)
    assert found.item() == pytest.approx(kinetic + n["u"] * sines[0] + n["v"] * sines[1], rel=1e-12)


def test_speeds_go_to_momenta_and_back() -> None:
    arm, states = arm_of(), torch.randn(5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    state = tuple(x[:, :, None] for x in arm.with_momenta(states))
    assert torch.allclose(arm.with_speeds(state)[:, 0], states, atol=1e-13)


def test_one_action_holds_for_one_step_alone() -> None:
    """An arm that is almost only motors: q'' = torque / a, whatever the layer's own number of steps is."""
    heavy = dict.fromkeys(LIGHT, 0.0) | {"a": 2.0, "b": 4.0, "d_q": 1e-12, "d_r": 1e-12}
    arm = Arm(Reacher(1, init=heavy, dtype=torch.float64, dt=STEP))
    after = arm(double(0, 0, 0, 0), torch.tensor([[[0.5, -1.0]]], dtype=torch.float64))
    speed = GEAR * STEP * torch.tensor([0.5 / 2, -1.0 / 4], dtype=torch.float64)
    assert torch.allclose(after[0, 0], torch.cat([speed * STEP / 2, speed]), atol=1e-9)


def test_gravity_along_the_axes_is_in_no_equation_and_weight_in_the_plane_is() -> None:
    upright, flat = arm_of(u=2.0, v=1.0), arm_of(u=0.0, v=0.0)
    start, still = double(0.3, 0.8, 0, 0), torch.zeros(1, 5, 2, dtype=torch.float64)
    assert flat(start, still).sub(start[:, None]).abs().max() == 0
    assert upright(start, still).sub(start[:, None]).abs().max() > 1e-3


@pytest.mark.parametrize(("noise", "window"), [(0.0, 2), (0.01, 5)])
def test_an_arm_is_identified_within_its_errors(noise: float, window: int) -> None:
    options = Options(world="own", episodes=2, steps=10, noise=noise, window=window, goals=0)
    task = Task.make(options, Own(**(LIGHT | {"a": 1.2, "b": 0.8})))
    network = Shooting(Arm(), task.seen, torch.tensor(SCALE, dtype=torch.float64))
    optimiser = LevenbergMarquardt(network, local=("starts",), reach=1.0)
    for _ in range(options.steps):
        optimiser.step(task.seen)
    for name, one in identified(network, task).items():
        assert one["error"] is not None
        assert abs(one["found"] - one["truth"]) < 4 * one["error"] + 1e-5, name
        assert one["error"] < (1e-4 if noise == 0 else 1.0), name
    residual = uncertainty(optimiser.curvature(task.seen)).residual
    assert residual == pytest.approx(noise, rel=0.2, abs=1e-6)


def test_states_near_the_stop_are_left_out() -> None:
    states = torch.tensor([[0.0, 2.9, 0.0, 4.0], [9.0, -2.9, 0.0, 6.0], [0.0, 3.1, 0.0, 0.0]])
    assert free_of_limit(states).tolist() == [True, False, False]


def test_costs_want_the_goal_and_fear_the_stop() -> None:
    at = torch.zeros(1, 4, 3, 4)
    at[0, 1, :, 0] = 1.0
    at[0, 2, :, 1] = 2.9
    at[0, 3] = torch.nan
    found = costs(at, torch.tensor([[0.21, 0.0]]))[0]
    assert found[0] < 1e-6
    assert found.argsort().tolist() == [0, 1, 2, 3]
    assert found.isfinite().all()


def test_a_plan_with_the_true_numbers_reaches_what_a_wrong_one_does_not() -> None:
    world, seeds = Own(), list(range(12))
    right, wrong = (Arm(Reacher(1, init=Own.NUMBERS | {"a": a}, dtype=torch.float64, dt=STEP)) for a in (1.0, 12.0))
    good, bad = (reach(arm, world, seeds, Planner(population=32, elites=5), 0) for arm in (right, wrong))
    assert (good < 0.02).double().mean() >= 0.9
    assert (good < 0.02).sum() > (bad < 0.02).sum()
    assert torch.equal(good, reach(right, world, seeds, Planner(population=32, elites=5), 0))


def test_a_network_of_rates_follows_the_rates_it_is_given() -> None:
    """With body and linear map set to q'' = u - q, an oscillator in every step of order four."""
    network = RateNetwork(4, torch.ones(2), torch.full((4,), 0.1), True).double()
    with torch.no_grad():
        network.body[-1].weight.zero_()
        network.linear.weight[0, 4] = network.linear.weight[1, 5] = 1.0
        network.linear.weight[2, 6] = network.linear.weight[3, 7] = 1.0
    after = network(double(0, 0, 1, 2), torch.tensor([[[1.0, 0.0]]], dtype=torch.float64))[0, 0]
    assert after.tolist() == pytest.approx([0.1 * (1 + 0.05), 0.2, 1.1, 2.0])


def test_random_episodes_depend_on_their_seeds_alone() -> None:
    world = Own()
    together, alone = random_episodes(world, [3, 4]), random_episodes(world, [4])
    assert torch.equal(together.inputs[1], alone.inputs[0])
    assert torch.allclose(together.states[1], alone.states[0], atol=1e-12)
    assert alone.states.shape == (1, EPISODE + 1, 4)


def test_a_run_without_goals_logs_no_success(tmp_path: Path) -> None:
    options = replace(Options(world="own", episodes=1, window=2, steps=2), goals=0)
    task, run, display = Task.make(options), Run(tmp_path), Display(Console(file=StringIO()), "train")
    network = train(make_fabric("cpu", 1, "32-true"), options, task, run, display)
    examine(network, options, task, run, display)
    (found,) = run.records("test")
    assert "success" not in found
    assert found["numbers"]["a"]["truth"] == 1.0


@pytest.fixture(scope="module")
def simulator() -> World:
    pytest.importorskip("gymnasium")
    pytest.importorskip("mujoco")
    return Mujoco()


def test_the_layer_with_the_numbers_of_the_simulator_is_the_simulator(simulator: World) -> None:
    arm = Arm(Reacher(1, init=simulator.truth(), dtype=torch.float64, dt=STEP))
    seen = random_episodes(simulator, [1, 2])
    cut = seen.windows(10, usable=free_of_limit(seen.states))
    with torch.no_grad():
        assert (arm(cut.start, cut.inputs) - cut.later).abs().max() < 1e-5


def test_fingertip_and_steps_are_those_of_the_simulator(simulator: World) -> None:
    states, goals = simulator.begin([5, 6])
    assert (goals.norm(dim=1) < 0.2).all()
    once, again = (simulator.step(states, torch.full((2, 2), 0.3, dtype=torch.float64)) for _ in range(2))
    assert torch.equal(once, again)
    simulator.step(states[:1], torch.zeros(1, 2, dtype=torch.float64))
    found = simulator.step(once[1:], torch.zeros(1, 2, dtype=torch.float64))
    tip = torch.from_numpy(simulator.arm.get_body_com("fingertip")[:2].copy())
    assert torch.allclose(fingertip(found)[0], tip, atol=1e-6)
