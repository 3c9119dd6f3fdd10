"""What the network knows of a Sudoku: nothing of where cells lie, and that digits are names."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from trainers.sudoku import Options, loss_of, make_optimizer
from trainers.sudoku_evaluate import evaluate, first_state, solve, to_tensors
from trainers.sudoku_model import SudokuNet
from trainers.sudoku_pool import batch_of, empty_pool, fill, leave, members
from trainers.sudokus import Puzzles, make_puzzles

SMALL = {"width": 6, "heads": 2, "channels": 2, "hidden": 8}


@pytest.fixture(scope="module")
def puzzles() -> Puzzles:
    return make_puzzles(24, seed=3, split="train")


def network(**more: bool | int) -> SudokuNet:
    torch.manual_seed(0)
    return SudokuNet(**(SMALL | more)).double()


def fit(net: SudokuNet, puzzles: Puzzles, steps: int) -> tuple[list[float], Tensor]:
    """Losses and last logits of a few steps of the training."""
    adam = make_optimizer(net, Options())
    pool, by_level = empty_pool(4, SMALL["width"], 81), members(puzzles)
    losses = []
    for step in range(steps):
        fill(pool, by_level, (1.0, 1.0, 1.0, 1.0), (1, 3), (0, step, 0))
        given, label = batch_of(pool, puzzles)
        state, logits = net(pool.state, given, 3, pool.fresh)
        loss = loss_of(logits, label)
        adam.zero_grad()
        loss.backward()
        adam.step()
        leave(pool, state, torch.zeros(4, dtype=torch.bool), (0, step, 1))
        losses.append(loss.item())
    return losses, logits.detach()


@pytest.mark.parametrize("energy", [False, True])
def test_permuted_cells_train_to_the_same_network(puzzles: Puzzles, energy: bool) -> None:
    """Not bitwise: sums over cells are taken in another order. In float64 six steps agree to 1e-9."""
    order = np.random.default_rng(0).permutation(81)
    permuted = Puzzles(puzzles.given[:, order], puzzles.solution[:, order], puzzles.level)
    plain, other = network(energy=energy), network(energy=energy)
    before = plain.theta.detach().clone()
    with torch.no_grad():
        other.theta.copy_(plain.theta[:, order][:, :, order])
    losses, logits = fit(plain, puzzles, 6)
    other_losses, other_logits = fit(other, permuted, 6)
    assert losses == pytest.approx(other_losses, rel=1e-9)
    assert torch.allclose(logits[..., order], other_logits, rtol=1e-9, atol=1e-9)
    assert torch.allclose(plain.theta[:, order][:, :, order], other.theta, rtol=1e-9, atol=1e-9)
    assert (plain.theta - before).abs().max() > 0.05  # they did learn
    unmoved, _ = fit(network(energy=energy), permuted, 6)  # the same couplings for permuted cells are another start
    assert unmoved[1:] != pytest.approx(losses[1:], rel=1e-9)


def test_only_the_couplings_know_how_many_cells_there_are() -> None:
    shapes = [{name: tuple(p.shape) for name, p in network(cells=n).named_parameters()} for n in (81, 50)]
    assert [name for name, shape in shapes[0].items() if shape != shapes[1][name]] == ["theta"]
    assert list(network().buffers()) == []
    few = network(cells=50)
    given = torch.randint(0, 10, (2, 50), generator=torch.Generator().manual_seed(0))
    assert few(few.start(given), given, 2)[1].shape == (2, 2, 9, 50)


def test_digits_are_names(puzzles: Puzzles) -> None:
    net = network()
    rename = np.concatenate([[0], 1 + np.random.default_rng(1).permutation(9)])
    given, _ = to_tensors(puzzles[:3])
    renamed = torch.from_numpy(rename)[given]
    plain, other = (net(net.start(x), x, 4)[1] for x in (given, renamed))
    assert torch.allclose(other[:, :, rename[1:] - 1], plain, rtol=1e-10, atol=1e-10)


def test_fields_solve_the_screened_poisson_equation(puzzles: Puzzles) -> None:
    net = network()
    given, _ = to_tensors(puzzles[:2])
    state, couplings = net.start(given), net.couplings()
    assert (couplings == couplings.mT).all()
    assert (couplings >= 0).all()
    assert (couplings.diagonal(dim1=1, dim2=2) == 0).all()
    phi = net.fields(state, net.unit_fields(couplings), couplings).unflatten(-1, (2, 2))
    source = net.sources(state).unflatten(-1, (2, 2))
    spread = torch.diag_embed(couplings.sum(-1)) - couplings
    m2 = net.physics.m2[:, None]
    residual = torch.einsum("hij,bdjhk->bdihk", spread, phi) + m2 * (phi - source)
    assert residual.abs().max() < 1e-12


def test_the_energy_density_is_that_of_the_fields(puzzles: Puzzles) -> None:
    net = network(energy=True)
    given, _ = to_tensors(puzzles[:2])
    state, couplings = net.start(given), net.couplings()
    phi, density = net.fields(state, net.unit_fields(couplings), couplings).chunk(2, dim=-1)
    phi, source = phi.unflatten(-1, (2, 2)), net.sources(state).unflatten(-1, (2, 2))
    jump = (phi[:, :, :, None] - phi[:, :, None]).square()  # (B, 9, i, j, head, channel)
    expected = torch.einsum("hij,bdijhk->bdihk", couplings, jump) / 4
    expected = (expected + net.physics.m2[:, None] * (phi - source).square() / 2).flatten(-2)
    expected /= expected.square().mean(dim=-1, keepdim=True).sqrt()
    assert torch.allclose(density, expected, rtol=1e-6, atol=1e-6)


def test_gradients_reach_every_parameter(puzzles: Puzzles) -> None:
    net = network()
    given, label = to_tensors(puzzles[:2])
    loss_of(net(net.start(given), given, 3)[1], label).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_a_state_carried_on_is_the_state_of_one_run(puzzles: Puzzles) -> None:
    net = network()
    given, _ = to_tensors(puzzles[:2])
    state, whole = net(net.start(given), given, 4)
    half, first = net(net.start(given), given, 2)
    end, second = net(half, given, 2)
    assert torch.equal(torch.cat((first, second)), whole)
    assert torch.equal(end, state)
    fresh, _ = net(half, given, 4, torch.tensor([True, False]))
    assert torch.equal(fresh[0], state[0])
    assert not torch.equal(fresh[1], state[1])


class Told(torch.nn.Module):
    """Sure of the solution from the round on that the first cell says; before that, sure of nothing."""

    def __init__(self, solution: Tensor) -> None:
        super().__init__()
        self.target = torch.nn.functional.one_hot(solution, 9).mT.float()

    def start(self, given: Tensor) -> Tensor:
        return torch.stack((torch.zeros(len(given)), torch.arange(len(given)).float()), dim=1)

    def forward(self, state: Tensor, given: Tensor, rounds: int) -> tuple[Tensor, Tensor]:
        round_ = state[:, 0] + 1 + torch.arange(rounds)[:, None]
        ready = round_ > 2 * state[:, 1]
        logits = 20 * self.target[state[:, 1].long()] * ready[..., None, None]
        return state + torch.tensor([float(rounds), 0.0]), logits


def test_a_puzzle_stops_when_the_network_is_sure(puzzles: Puzzles) -> None:
    given, label = to_tensors(puzzles[:5])
    answers = solve(Told(label), given, 7)
    assert answers.rounds.tolist() == [1, 3, 5, 7, 7]
    assert answers.settled.tolist() == [True, True, True, True, False]
    assert (answers.digit == label + 1).all(dim=1).tolist() == answers.settled.tolist()
    assert torch.equal(answers.first, answers.digit)


class Lucky(torch.nn.Module):
    """Sure of the solution in the second round, where the first state has noise."""

    def __init__(self, solution: Tensor) -> None:
        super().__init__()
        self.target = torch.nn.functional.one_hot(solution, 9).mT.float()

    def start(self, given: Tensor) -> Tensor:
        return torch.ones(len(given), 9, 81, 2)

    def forward(self, state: Tensor, given: Tensor, rounds: int) -> tuple[Tensor, Tensor]:
        different = (state != 1).any(dim=(1, 2, 3))
        ready = torch.stack([different & (k > 0) for k in range(rounds)])
        return state, 20 * self.target[: len(given)] * ready[..., None, None]


def test_what_is_not_settled_begins_again_from_another_state(puzzles: Puzzles) -> None:
    given, label = to_tensors(puzzles[:3])
    heard: list[int] = []
    answers = solve(Lucky(label), given, 5, attempts=4, advance=heard.append)
    assert answers.rounds.tolist() == [7, 7, 7]
    assert answers.settled.all()
    assert torch.equal(answers.digit, label + 1)
    assert (answers.first != label + 1).any(dim=1).all()
    assert heard == [0, 3, 3]
    assert not solve(Lucky(label), given, 5).settled.any()


def test_first_states_differ_between_attempts_and_not_between_puzzles(puzzles: Puzzles) -> None:
    given, _ = to_tensors(puzzles[:3])
    net = network()
    zeroth, first, again, second = (first_state(net, given, k) for k in (0, 1, 1, 2))
    assert torch.equal(zeroth, net.start(given))
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    assert torch.equal(first_state(net, given[1:2], 1), first[1:2])
    assert (first.square().mean(dim=-1) - 1).abs().max() < 1e-4


def test_a_report_has_every_level_once(puzzles: Puzzles) -> None:
    report = evaluate(network().float(), puzzles, 2)
    records = {str(record["level"]): record for record in report.records()}
    counts = np.bincount(puzzles.level, minlength=4)
    assert [records[name]["puzzles"] for name in records] == [int(n) for n in counts if n]
    assert all(record["rounds"] == 2 and record["exact"] == 0 for record in records.values())
