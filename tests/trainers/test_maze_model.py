"""The physics that the network relies on, before any training."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trainers.maze_evaluate import ascent_field, evaluate, to_tensors
from trainers.maze_model import MazeNet, Prediction, log_parts
from trainers.maze_score import climb, score_cells
from trainers.mazes import MazeBatch, make_mazes, path_length, shortest_path_cells


@pytest.fixture(scope="module")
def network() -> MazeNet:
    torch.manual_seed(0)
    return MazeNet(8).eval()


def predict(network: MazeNet, mazes: MazeBatch) -> Prediction:
    with torch.no_grad():
        return network(*to_tensors(mazes)[:3])


def throughflow(said: Prediction, mazes: MazeBatch) -> np.ndarray:
    """Half the flux through the four edges of every cell, what the sources give and take included."""
    down, right = (x.abs() for x in said.energy_flux())
    through = torch.zeros_like(said.u_flux)
    through[:, 1:] += down / 2
    through[:, :-1] += down / 2
    through[:, :, 1:] += right / 2
    through[:, :, :-1] += right / 2
    return through.numpy() + (mazes.start | mazes.goal) / 2


def serpentine(size: int) -> MazeBatch:
    """One corridor that fills the grid, row after row: the longest path there is."""
    is_open = np.zeros((1, size, size), dtype=bool)
    is_open[0, 1:-1:2, 1:-1] = True
    for k, row in enumerate(range(2, size - 1, 2)):
        is_open[0, row, -2 if k % 2 == 0 else 1] = True
    start, goal = np.zeros_like(is_open), np.zeros_like(is_open)
    start[0, 1, 1] = goal[0, -2, -2 if (size // 2) % 2 else 1] = True
    return MazeBatch(is_open, start, goal, shortest_path_cells(is_open, start, goal))


@pytest.mark.parametrize("size", [15, 25])
def test_on_a_tree_all_energy_flows_along_the_path(network: MazeNet, size: int) -> None:
    mazes = make_mazes(6, size, "perfect", seed=0, split="test")
    said = predict(network, mazes)
    assert not said.dark.any()
    assert (said.status == 0).all()
    assert np.abs(throughflow(said, mazes) - mazes.label).max() < 1e-3
    down, right = said._replace(dark=torch.ones_like(said.dark)).energy_flux()
    cells = down.abs().sum((1, 2)) + right.abs().sum((1, 2))
    assert torch.allclose(cells, torch.from_numpy(path_length(mazes)).double(), rtol=1e-5)


def test_where_a_path_is_too_long_for_float64_the_flux_still_shows_it(network: MazeNet) -> None:
    mazes = serpentine(55)
    assert path_length(mazes)[0] > 1400
    said = predict(network, mazes)
    assert said.dark.all()
    assert (said.status == 0).all()
    assert np.abs(throughflow(said, mazes) - mazes.label).max() < 1e-3
    paths = climb(mazes.label, said.potential.numpy(), mazes.start, mazes.goal)
    assert score_cells(mazes, mazes.label, paths, path_length(mazes)).shortest == 1


def test_parts_of_the_readout_are_what_they_are_called(network: MazeNet) -> None:
    generator = torch.Generator().manual_seed(0)
    u, m2, s = (torch.rand(2, 2, 7, 7, dtype=torch.float64, generator=generator) + 0.1 for _ in range(3))
    kappa = torch.full_like(u, 0.7)
    state = network.pair(kappa, m2, s)._replace(u=u)
    energy, down, right, pressure = log_parts(network.pair.readout(state, kappa=kappa, m2=m2, s=s), 2).exp().unbind(1)
    assert torch.allclose(pressure, (m2 * u**2 - 2 * s * u).abs())
    assert torch.allclose(energy, ((down + right) / 2 + m2 * u**2 / 2 - s * u).abs())
    jump = 0.7 * (u[:, :, 1:] - u[:, :, :-1]) ** 2
    inner = (jump[:, :, 1:] + jump[:, :, :-1]) / 2
    assert torch.allclose(down[:, :, 1:-1], inner, rtol=1e-9)


def test_the_network_is_local_and_of_any_size(network: MazeNet) -> None:
    assert {type(m) for m in network.modules() if any(True for _ in m.parameters(recurse=False))} == {torch.nn.Conv2d}
    assert all(max(m.kernel_size) <= 3 for m in network.modules() if isinstance(m, torch.nn.Conv2d))


def test_gradients_reach_the_encoder_through_the_solve(network: MazeNet) -> None:
    mazes = make_mazes(4, 15, "loopy", seed=0, split="train")
    said = network(*to_tensors(mazes)[:3])
    network.zero_grad()
    said.by_length.masked_fill(~to_tensors(mazes)[0], 0).square().sum().backward()
    weight = network.encoder[-1].weight.grad
    assert weight is not None
    assert torch.isfinite(weight).all()
    assert weight.abs().max() > 0


def test_baselines(network: MazeNet) -> None:
    perfect, loopy = (make_mazes(8, 15, kind, seed=0, split="test") for kind in ("perfect", "loopy"))
    for solver in ("cg", "monotone"):
        field = ascent_field(*to_tensors(perfect)[:2], solver).numpy()
        assert score_cells(perfect, perfect.label, climb(perfect.open, field, perfect.start, perfect.goal),
                           path_length(perfect)).shortest == 8  # fmt: skip
    report = evaluate(network, loopy, "loopy")
    assert report.scores["monotone"].shortest == 8
    assert {record["method"] for record in report.records()} == {"network", "ascent, cg", "ascent, monotone"}
