"""The arm with a learned potential: it is the arm where there is none, and finds a spring that no formula has."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
import torch
from rich.console import Console

from generated.reacher import Reacher
from generated.reacher_learned import ReacherLearned
from trainers.common import Display, Run, make_fabric, spec_hash
from trainers.reacher_models import STEP, Arm
from trainers.reacher_training import TUNED, Options, Task, carried, examine, force_missed, predictor, train
from trainers.reacher_worlds import Own, Sprung, random_episodes

SPRING = 40.0  # N m


def states(count: int) -> torch.Tensor:
    return torch.randn(count, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_without_a_potential_it_is_the_arm() -> None:
    layer = ReacherLearned(1, init=Own.NUMBERS, dtype=torch.float64, dt=STEP)
    layer.V = torch.zeros_like(layer.V)
    plain = Arm(Reacher(1, init=Own.NUMBERS, dtype=torch.float64, dt=STEP))
    actions = torch.rand(3, 5, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    with torch.no_grad():
        assert torch.allclose(Arm(layer)(states(3), actions), plain(states(3), actions), atol=1e-13)


def test_a_spring_of_our_own_pulls_by_its_formula() -> None:
    """V = S log cosh(r): no force on the shoulder, -S tanh(r) on the elbow."""
    angles = states(7)[:, :2]
    expected = torch.stack([torch.zeros(7, dtype=torch.float64), -SPRING * angles[:, 1].tanh()], 1)
    assert torch.allclose(Own(SPRING).force(angles), expected, atol=1e-12)
    assert Own().force(angles).abs().max() == 0


def test_a_learned_potential_finds_a_spring_that_the_formula_cannot(tmp_path: Path) -> None:
    options = Options(world="own", episodes=2, goals=0)
    task = Task.make(options, Own(SPRING))
    found = {}
    for model in ("arm", "corrected"):
        run, display = Run(tmp_path / model), Display(Console(file=StringIO()), "train")
        chosen = replace(options, **{**TUNED[model], "model": model})
        network = train(make_fabric("cpu", 1, "32-true"), chosen, task, run, display)
        arm = predictor(network)
        assert isinstance(arm, Arm)
        found[model] = force_missed(arm, task) | carried(arm, task.held)
    force = found["arm"]["force"]
    assert found["corrected"]["force_error"] < 0.1 * force < found["arm"]["force_error"]
    assert 5 * found["corrected"]["angle_error"] < found["arm"]["angle_error"]


def test_a_run_logs_the_numbers_of_the_formula_and_the_spec_of_its_own(tmp_path: Path) -> None:
    options = Options(model="corrected", world="own", episodes=1, window=2, steps=2, goals=0)
    task, run, display = Task.make(options), Run(tmp_path), Display(Console(file=StringIO()), "train")
    network = train(make_fabric("cpu", 1, "32-true"), options, task, run, display)
    examine(network, options, task, run, display)
    (started,), (found,) = run.records("start"), run.records("test")
    assert (started["package"], started["spec"]) == ("reacher_learned", spec_hash("reacher_learned"))
    assert set(found["numbers"]) == set(Own.NUMBERS)
    assert found["force"] == 0 < found["force_error"]


def test_the_spring_of_the_simulator_is_what_it_says() -> None:
    """From rest at an angle of the elbow, a short while later: b r'' = -S r, less what friction takes."""
    pytest.importorskip("gymnasium")
    pytest.importorskip("mujoco")
    world = Sprung(SPRING)
    start = torch.tensor([[0.3, 0.5, 0.0, 0.0]], dtype=torch.float64)
    after = world.step(start, torch.zeros(1, 2, dtype=torch.float64))
    pull = world.force(start[:, :2])
    assert pull.tolist() == [[0.0, -SPRING * 0.5]]
    assert after[0, 3].item() == pytest.approx(pull[0, 1].item() * STEP, rel=0.03)
    assert random_episodes(world, [0]).states.isfinite().all()
