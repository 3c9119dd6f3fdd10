"""Windows, noise, multiple shooting and the figures of a rollout; time series from a file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from trainers.trajectories import (
    SeriesError,
    Shooting,
    Trajectories,
    divergence_steps,
    energy_drift,
    even_step,
    misses,
    read_series,
)


def counted(count: int = 2, steps: int = 6) -> Trajectories:
    """States 0, 1, ... and inputs 0.5, 1.5, ...; the second trajectory has 100 more."""
    base = 100.0 * torch.arange(count, dtype=torch.float64)[:, None]
    times = torch.arange(steps + 1, dtype=torch.float64)
    return Trajectories((base + times)[..., None], (base + times[:-1] + 0.5)[..., None])


def test_a_window_has_its_states_and_the_inputs_between_them() -> None:
    cut = counted().windows(3)
    assert cut.states[..., 0].tolist() == [[0, 1, 2, 3], [3, 4, 5, 6], [100, 101, 102, 103], [103, 104, 105, 106]]
    assert cut.inputs[..., 0].tolist() == [
        [0.5, 1.5, 2.5],
        [3.5, 4.5, 5.5],
        [100.5, 101.5, 102.5],
        [103.5, 104.5, 105.5],
    ]
    assert counted().windows(4, 1).start.flatten().tolist() == [0, 1, 2, 100, 101, 102]
    assert counted().after(4).states[0, :, 0].tolist() == [4, 5, 6]


def test_windows_with_a_state_that_is_not_usable_are_left_out() -> None:
    seen, usable = counted(), torch.ones(2, 7, dtype=torch.bool)
    usable[0, 3] = False
    assert seen.windows(3, usable=usable).start.flatten().tolist() == [100, 103]
    with pytest.raises(ValueError, match="no window of 3 steps is usable"):
        seen.windows(3, usable=torch.zeros_like(usable))
    with pytest.raises(ValueError, match="windows of 7 steps of trajectories of 6"):
        seen.windows(7)


def test_inputs_lie_between_states() -> None:
    with pytest.raises(ValueError, match=r"need inputs \(2, 6, A\)"):
        Trajectories(torch.zeros(2, 7, 1), torch.zeros(2, 7, 1))


def test_noise_has_the_deviation_of_every_component_and_is_repeated_by_its_generator() -> None:
    quiet = Trajectories(torch.zeros(200, 50, 2), torch.zeros(200, 49, 1))
    one, two = (quiet.noisy(torch.tensor([0.1, 3.0]), torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(one.states, two.states)
    assert torch.allclose(one.states.std((0, 1)), torch.tensor([0.1, 3.0]), rtol=0.05)
    assert torch.equal(one.inputs, quiet.inputs)


def test_shooting_begins_where_was_seen_and_its_starts_are_unknowns() -> None:
    def still(start: Tensor, inputs: Tensor) -> Tensor:
        return start[:, None].expand(-1, inputs.shape[1], -1)

    seen = counted(1, 2)
    shooting = Shooting(still, seen, torch.tensor([2.0], dtype=torch.float64))
    assert shooting(seen).tolist() == [[0, -0.5, -1]]
    shooting(seen).square().sum().backward()
    assert shooting.starts.grad is not None
    assert shooting.starts.grad.item() == pytest.approx(2 * (-0.5 - 1) / 2)


def test_how_far_a_rollout_carries() -> None:
    seen = torch.zeros(3, 4, 2)
    predicted = torch.tensor([[0.0, 1.0, 0.0, 0.0], [0.0] * 4, [0.0, 0.0, torch.nan, 0.0]])[..., None].expand(3, 4, 2)
    missed = misses(predicted, seen, torch.tensor([1.0, 2.0]))
    assert missed[0, 1].item() == pytest.approx(((1 + 0.25) / 2) ** 0.5)
    assert divergence_steps(missed, 0.5).tolist() == [1, 4, 2]
    assert energy_drift(torch.tensor([[-2.0, -2.5, -1.8]])).item() == pytest.approx(0.25)


def test_a_series_is_read_by_the_names_of_its_columns(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("t, q\n0,1.5\n0.1,2\n\n0.2,-3e1\n")
    series = read_series(tmp_path / "a.csv")
    assert {name: column.tolist() for name, column in series.items()} == {"t": [0, 0.1, 0.2], "q": [1.5, 2, -30]}
    assert even_step(series["t"]) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "line 1: not different names"),
        ("1,2\n3,4\n", "line 1: not different names"),
        ("t,t\n3,4\n", "line 1: not different names"),
        ("t,q\n", "no row of numbers"),
        ("t,q\n1\n", "row 2: 1 cells"),
        ("t,q\n0,1\n1,x\n", "row 3: could not convert"),
        ("t,q\n0,1\n1,nan\n", "row 3: a number is missing"),
    ],
)
def test_a_file_that_is_no_series_says_where(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(SeriesError, match=told):
        read_series(tmp_path / "a.csv")


def test_moments_that_are_not_even_are_refused() -> None:
    with pytest.raises(SeriesError, match="not evenly spaced: steps of 1 to 2"):
        even_step(torch.tensor([0.0, 1.0, 3.0]))
    with pytest.raises(SeriesError, match="one moment"):
        even_step(torch.tensor([0.0]))
