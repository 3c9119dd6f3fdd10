"""Gated linear networks: the emitted online update, gates, data, a run in small and going on with one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
import torch
import typer
from rich.console import Console
from safetensors.torch import load_file
from typer.testing import CliRunner

from trainers import gln
from trainers.common import CHECKPOINT, Display, ResumeError, Run, make_fabric
from trainers.gln_network import GatedNetwork, Rates
from trainers.gln_tasks import Hashes, Observations, digit_folds, half_spaces, hashes, text_bits
from trainers.gln_training import Options, load_task, make_learner, train
from trainers.lm_data import DataError

RATES = Rates(first=0.5, later=0.2, power=0.5)
TINY = Options(task="bits", size=96, tested=16, chunk=256, every=1, widths=(3, 1), regions=64, hidden=(8,), batch=16)


def observations(count: int = 60, teams: int = 3) -> Observations:
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(count, 5, generator=generator)
    target = (torch.rand(teams, count, generator=generator) < 0.5).float()
    return Observations(z, z, target)


def network(teams: int = 3) -> GatedNetwork:
    return GatedNetwork(teams, 5, half_spaces((4, 2, 1), 2, 5, 0, 0.3), start=0.3, limit=4.0)


def by_hand(seen: Observations) -> np.ndarray:
    """The published update, one observation after the other, one weight vector at a time."""
    gates = half_spaces((4, 2, 1), 2, 5, 0, 0.3)
    teams = len(seen.target)
    said = np.zeros((teams, len(seen)))
    regions = [gate(seen.side).numpy() for gate in gates]
    for team in range(teams):
        widths = [5, 5, 3]
        weights = [np.full((g.neurons, g.regions, w), 0.3 if k else 0.0)
                   for k, (g, w) in enumerate(zip(gates, widths, strict=True))]  # fmt: skip
        counts = [np.zeros((g.neurons, g.regions)) for g in gates]
        for k in range(len(seen)):
            x, y = seen.z[k].double().numpy(), float(seen.target[team, k])
            for depth, gate in enumerate(gates):
                rate = RATES.later if depth else RATES.first
                logits = []
                for neuron in range(gate.neurons):
                    at = neuron, regions[depth][neuron, k]
                    logits.append(weights[depth][at] @ x)
                    step = rate * (1 + counts[depth][at]) ** -RATES.power
                    weights[depth][at] -= step * (1 / (1 + np.exp(-logits[-1])) - y) * x
                    counts[depth][at] += 1
                x = np.append(np.clip(logits, -4, 4), 1.0)
            said[team, k] = x[0]
    return said


def test_a_pass_is_the_published_update_observation_by_observation() -> None:
    seen = observations()
    said = network().learn(seen.z, seen.side, seen.target, RATES)
    assert np.abs(said.numpy() - by_hand(seen)).max() < 1e-4


def test_parts_of_a_pass_do_not_matter() -> None:
    seen, whole, parts = observations(), network(), network()
    at_once = whole.learn(seen.z, seen.side, seen.target, RATES)
    pieces = [seen.part(k, k + 7) for k in range(0, len(seen), 7)]
    found = torch.cat([parts.learn(p.z, p.side, p.target, RATES) for p in pieces], dim=1)
    assert torch.allclose(at_once, found, atol=1e-5)
    for one, other in zip(whole.gated(), parts.gated(), strict=True):
        assert torch.allclose(one.weights, other.weights, atol=1e-6)
        assert torch.equal(one.seen, other.seen)


def test_a_forecast_is_what_is_said_before_learning() -> None:
    seen, net = observations(), network()
    net.learn(seen.z, seen.side, seen.target, RATES)
    last = observations(61).part(60, 61)
    assert torch.allclose(
        net(last.z, last.side), net.learn(last.z, last.side, last.target, RATES), atol=1e-5
    )  # fmt: skip


def test_only_the_row_that_the_gate_names_moves() -> None:
    net, seen = network(), observations(1)
    before = [layer.weights.clone() for layer in net.gated()]
    net.learn(seen.z, seen.side, seen.target, RATES)
    for layer, weights in zip(net.gated(), before, strict=True):
        moved = (layer.weights != weights).any(3).any(0)
        chosen = torch.zeros_like(moved).scatter_(1, layer.gate(seen.side), True)
        assert torch.equal(moved, chosen)


def test_gates_make_what_one_neuron_cannot_learn() -> None:
    """Exclusive or: a plane through the corners tells them apart, and no weights of an ungated neuron do."""
    generator = torch.Generator().manual_seed(1)
    corner = torch.randint(2, (400, 2), generator=generator).float() * 2 - 1
    z = torch.cat([corner, torch.ones(400, 1)], dim=1)
    target = (corner[:, 0] * corner[:, 1] < 0).float()[None]
    right = []
    for planes in (0, 3):
        net = GatedNetwork(1, 3, half_spaces((16, 1), planes, 2, 0, 0.5), start=0.1, limit=5.0)
        net.learn(z, corner, target, Rates(1.0, 0.05, 0.5))
        right.append(float(((net(z, corner) > 0) == (target > 0)).float().mean()))
    assert right[0] < 0.8
    assert right[1] == 1


def test_the_bits_of_a_text() -> None:
    text = torch.tensor(list(b"abcde"), dtype=torch.uint8)
    seen = text_bits(text, 2)
    assert len(seen) == 24
    assert seen.target[0, :8].tolist() == [0, 1, 1, 0, 0, 0, 1, 1]  # c
    assert seen.side[0].tolist() == [1, ord("b"), ord("a")]
    assert seen.side[4].tolist() == [0b10110, ord("b"), ord("a")]
    signs = [1.0 if bit == "1" else -1.0 for bit in f"{ord('b'):08b}{ord('a'):08b}"]
    assert seen.z[3].tolist() == [*signs, -1, 1, 1, 0, 0, 0, 0, 0, 1]


def test_a_hash_looks_at_its_bytes_alone() -> None:
    gate = hashes((3,), 2, 1 << 14, 0)[0]
    assert isinstance(gate, Hashes)
    side = torch.tensor([[1, 97, 98], [1, 97, 99], [1, 98, 98], [2, 97, 98]])
    regions = gate(side)
    assert gate.masks.tolist() == [[0, 0], [1, 0], [1, 1]]
    assert [len(row.unique()) for row in regions] == [2, 3, 4]
    assert regions.min() >= 0
    assert regions.max() < gate.regions


def test_folds_of_digits_do_not_meet() -> None:
    train_, test = digit_folds(0, 0)
    other, _ = digit_folds(1, 0)
    assert (len(train_), len(test)) == (1497, 300)
    assert torch.equal(train_.target.sum(0), torch.ones(1497))
    assert not torch.equal(train_.z, other.z)
    assert torch.allclose(train_.z.sum(0), other.z.sum(0), atol=0.01)


@pytest.fixture
def text(tmp_path: Path) -> str:
    (tmp_path / "text.txt").write_bytes(bytes(range(97, 123)) * 20)
    return str(tmp_path / "text.txt")


def fit(folder: Path, options: Options, **more: object) -> tuple[dict[str, torch.Tensor], Run]:
    run, display = Run(folder), Display(Console(file=StringIO()), "train")
    train(make_fabric("cpu", 1, "32-true"), options, load_task(options), run, display, **more)
    return load_file(folder / CHECKPOINT), run


@pytest.mark.parametrize("model", ["gated", "mlp"])
def test_a_resumed_run_is_the_run_that_never_stopped(tmp_path: Path, text: str, model: str) -> None:
    options = replace(TINY, data=text, model=model)
    whole, run = fit(tmp_path / "whole", options)
    fit(tmp_path / "parts", options, stop_after=2)
    parts, resumed = fit(tmp_path / "parts", options, resume=True)
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    curves = [[(r["step"], r["bits_per_byte"]) for r in x.records("train")] for x in (run, resumed)]
    assert curves[0] == curves[1]
    assert len(curves[0]) == 3


def test_other_data_and_too_few_are_refused(tmp_path: Path, text: str) -> None:
    options = replace(TINY, data=text)
    fit(tmp_path / "run", options, stop_after=1)
    Path(text).write_bytes(bytes(range(98, 124)) * 20)
    with pytest.raises(ResumeError, match="learned from"):
        fit(tmp_path / "run", options, resume=True)
    with pytest.raises(DataError, match="--size"):
        load_task(replace(options, size=10_000))


def test_a_text_that_repeats_is_learned_in_one_pass(text: str) -> None:
    options = replace(TINY, data=text, size=400, first=0.5, later=0.1, start=0.3)
    task = load_task(options)
    learner = make_learner(make_fabric("cpu", 1, "32-true"), options, task)
    learner.learn(task.part(0, task.length), 0, task.length)
    said = learner.forecast(task.test)
    assert float(((said > 0) == (task.test.target > 0)).float().mean()) > 0.97


def test_smoke(run_module: Callable[..., CompletedProcess[str]], tmp_path: Path, text: str) -> None:
    (tmp_path / "text.txt").write_bytes(bytes(range(97, 123)) * 60)
    done = run_module("trainers.gln", "--smoke", "--out", str(tmp_path), "--name", "it", "--data", text)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [json.loads(line) for line in (tmp_path / "it" / "comparison.jsonl").read_text().splitlines()]
    assert {(line["task"], line["model"]) for line in lines} == {
        (task, model) for task in ("digits", "bits") for model in ("gated", "mlp")
    }
    assert (tmp_path / "it" / "learning.png").stat().st_size > 0
    again = run_module("trainers.gln", "--resume", str(tmp_path / "it"))
    assert again.returncode == 0, again.stdout + again.stderr


def test_another_run_of_a_name_and_seeds_that_are_none_are_refused(tmp_path: Path) -> None:
    """A name that has a run would report its figures under other options."""
    gln.keep_plan([Options()], tmp_path / "a")
    with pytest.raises(ResumeError, match="another --name begins one"):
        gln.keep_plan([Options()], tmp_path / "a")
    done = CliRunner().invoke(application(), ["--seeds", "x", "--smoke", "--out", str(tmp_path)])
    assert done.exit_code == 2
    assert "--seeds" in done.output
    assert "Traceback" not in done.output


def application() -> typer.Typer:
    made = typer.Typer()
    made.command()(gln.main)
    return made
