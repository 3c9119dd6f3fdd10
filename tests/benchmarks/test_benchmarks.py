"""The harness: its arithmetic on made-up numbers, its page, and a quick run. Speed is measured, never tested."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import bandwidth, machine, metrigen_side, peers, runner, table
from benchmarks.contender import Contender, labels, worst_difference
from benchmarks.costs import Cost, First, Memory
from benchmarks.peers import convolution, numpy_functions, torch_eager, torch_scan
from benchmarks.races import BEST, FLOOR, Race, ahead, races, within
from benchmarks.report import Report, Table, judged, render
from benchmarks.table import Result, Verdict
from benchmarks.timing import Sample, interleave
from tests.conftest import ROOT

QUICK = races(True, 1)


def race(*targets: object, peers: tuple[str, ...] = ("torch eager", "JAX")) -> Race:
    return replace(QUICK[0], targets=targets, peers=peers)


def result(name: str, family: str, *times: float, gradients: bool = True) -> Result:
    return Result(name, family, gradients, Sample(9.0, times) if times else None, "" if times else "wrong")


OURS = result("metrigen (cpu)", "metrigen", 0.002, 0.002, 0.004)
SLOW_OURS = result("metrigen (torch)", "metrigen", 0.1, 0.1, 0.1)
EAGER = result("torch eager (roll)", "torch eager", 0.030, 0.020, 0.022)
EAGER_2 = result("torch eager (slices)", "torch eager", 0.016, 0.016, 0.016)
JAX = result("JAX (jit)", "JAX", 0.020, 0.020, 0.020)


def test_a_sample_is_told_by_median_minimum_and_quartiles() -> None:
    sample = Sample(1.0, (4.0, 1.0, 2.0, 3.0, 100.0))
    assert (sample.median, sample.fastest, sample.spread) == (3.0, 1.0, 2.0)
    assert Sample(1.0, (2.0,)).spread == 0.0


def test_contenders_take_turns_and_the_warm_call_is_not_timed() -> None:
    ticks, log = iter(range(1000)), []
    calls: dict[str, Callable[[], object]] = {name: (lambda n=name: log.append(n)) for name in "ab"}
    times = interleave(calls, rounds=4, seconds=1e9, pause=0.0, now=lambda: float(next(ticks)))
    assert log == list("aabb" + "bbaa" + "aabb" + "bbaa")
    assert times == {"a": (1.0,) * 4, "b": (1.0,) * 4}


def test_a_race_stops_when_its_time_is_up_but_not_before_three_rounds() -> None:
    ticks = iter(range(1000))
    times = interleave({"a": lambda: None}, rounds=50, seconds=0.0, pause=0.0, now=lambda: float(next(ticks)))
    assert len(times["a"]) == 3


def test_ratios_to_the_best_peer_and_to_the_floor() -> None:
    rows = table.rows(race(), (EAGER, OURS, JAX, EAGER_2), floor=0.001)
    assert [row.contender for row in rows] == [
        "metrigen (cpu)", "torch eager (slices)", "JAX (jit)", "torch eager (roll)",
    ]  # fmt: skip
    assert rows[0].against_best == pytest.approx(8.0)
    assert rows[0].against_floor == pytest.approx(2.0)
    assert rows[2].against_best == pytest.approx(0.8)
    assert (rows[0].median, rows[0].fastest, rows[0].cold) == (2.0, 2.0, 9.0)


def test_metrigen_is_judged_by_its_fastest_backend_alone() -> None:
    rows = table.rows(race(ahead(6, BEST)), (SLOW_OURS, OURS, EAGER, JAX), floor=None)
    assert [len(row.verdicts) for row in rows] == [1, 0, 0, 0]
    assert rows[0].contender == "metrigen (cpu)"
    assert rows[0].against_floor is None


@pytest.mark.parametrize(
    ("target", "results", "met"),
    [
        (ahead(8, BEST), (OURS, EAGER_2, JAX), True),
        (ahead(9, BEST), (OURS, EAGER_2, JAX), False),
        (ahead(8, BEST), (OURS, EAGER_2), None),
        (ahead(9, BEST), (OURS, EAGER_2), False),
        (ahead(8, BEST), (OURS,), None),
        (ahead(9, "JAX"), (OURS, EAGER_2, JAX), True),
        (ahead(9, "JAX"), (OURS, EAGER_2, result("JAX (jit)", "JAX")), None),
        (within(2, FLOOR), (OURS, JAX), True),
        (within(1.9, FLOOR), (OURS, JAX), False),
        (within(0.1, "JAX"), (OURS, JAX), True),
        (within(0.09, "JAX"), (OURS, JAX), False),
    ],
    ids=str,
)
def test_a_target_is_decided_by_what_was_measured(target: object, results: tuple[Result, ...], met: bool) -> None:
    (verdict,) = table.rows(race(target), results, floor=0.001)[0].verdicts
    assert verdict.met is met


def test_the_convolution_computes_something_else_and_is_no_best_peer() -> None:
    other = result("3x3 convolution", convolution.NAME, 0.0001)
    assert table.best_peer((OURS, JAX, other), race(peers=("JAX", convolution.NAME))) == 0.020


def test_a_verdict_says_the_ratio() -> None:
    assert str(Verdict(ahead(6, BEST), False, 2.5)) == "6x ahead of the best peer: not met (2.50x)"
    assert str(Verdict(within(2, FLOOR), None, None)) == "within 2x of the floor: not decided"
    assert judged(4.0, 5.0) == "4.00 s (met: 5 s)"
    assert judged(6.0, 5.0) == "6.00 s (not met: 5 s)"


def test_floors_are_bytes_over_bandwidth() -> None:
    assert bandwidth.Bandwidth(2e9, "made up").seconds(1_000_000) == pytest.approx(5e-4)
    fields = {r.name: r.moved / r.inputs["phi"].nbytes for r in QUICK if r.kind in ("evolve", "readout", "block")}
    assert fields == {
        "W1 layer forward": 4, "W1 layer forward+backward": 10, "W2 large grid forward": 4,
        "W1b block 8x8 forward+backward": 16, "W1b block 4x4 forward+backward": 16,
        "W4 readout forward": 8, "W4 readout forward+backward": 18,
    }  # fmt: skip


def test_a_sequence_moves_24_bytes_a_state_element() -> None:
    """Four inputs in and two states out; both ways twelve arrays more."""
    moved = [r.moved / r.inputs["theta"].size for r in QUICK if r.kind == "scan"]
    assert moved == [24, 72]


def test_bandwidth_is_measured(tmp_path: Path) -> None:
    measured = bandwidth.measure(tmp_path, 1, "cpu", 1 << 16)
    assert measured.bytes_per_second > 0
    assert measured.how


@pytest.fixture(scope="module")
def full() -> dict[str, Race]:
    return {r.name: r for r in races(False, 2)}


def test_full_races_have_the_shapes_of_the_results(full: dict[str, Race]) -> None:
    assert full["W1 layer forward"].inputs["phi"].shape == (32, 64, 32, 32)
    assert full["W2 large grid forward"].inputs["phi"].shape == (1, 1, 2048, 2048)
    assert full["W2 large grid forward"].steps == 50
    assert full["W3 small grids forward"].inputs["s"].shape == (64, 1, 39, 39)
    assert full["W3 large grid forward"].inputs["s"].shape == (1, 1, 1024, 1024)
    assert full["W1b block 8x8 forward+backward"].inputs["raw_B"].shape == (8, 8, 8)


def test_the_convolution_has_as_many_parameters_as_the_block(full: dict[str, Race]) -> None:
    whole = full["W1b whole 32x32 forward+backward"]
    c = convolution.width(convolution.parameters(whole))
    assert c == 56
    assert abs(9 * c * c + c - convolution.parameters(whole)) < 0.05 * convolution.parameters(whole)


def test_a_difference_is_relative_to_the_largest_value() -> None:
    a, b = np.array([1.0, 2.0], np.float32), np.array([1.0, 4.0], np.float32)
    assert worst_difference({"x": a, "y": b}, {"x": b, "y": b}) == (0.5, "x")
    assert worst_difference({}, {"x": b})[0] == float("inf")
    assert worst_difference({"x": np.full(2, np.nan, np.float32)}, {"x": b})[0] == float("inf")


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> None:
    metrigen_side.build(tmp_path_factory.mktemp("packages"))


@pytest.mark.parametrize("one", QUICK, ids=lambda r: r.name)
@pytest.mark.usefixtures("packages")
def test_eager_peers_compute_what_the_reference_computes(one: Race) -> None:
    reference = metrigen_side.contenders(one, "cpu")[0]
    expected = reference.numbers(reference.call())
    assert tuple(expected) == labels(one)
    if one.kind in torch_eager.KINDS:
        others = torch_eager.contenders(one, "cpu")
    else:
        scans = list(torch_scan.WAYS.items())[1:]  # torch's own scan needs the compiler
        others = tuple(torch_scan.one(one, name, run, "cpu") for name, (_, run) in scans)
    assert others
    for other in others:
        difference, where = worst_difference(other.numbers(other.call()), expected)
        assert difference < one.tolerance, (other.name, where)


@pytest.mark.usefixtures("packages")
def test_a_wrong_answer_is_reported_and_not_timed() -> None:
    one = QUICK[0]
    (reference, *_), right = metrigen_side.contenders(one, "cpu"), torch_eager.contenders(one, "cpu")[0]

    def spoiled(result: object) -> dict[str, np.ndarray]:
        return {name: x * np.float32(1.001) for name, x in right.numbers(result).items()}

    def broken() -> object:
        raise RuntimeError("no such\ninstruction")

    liar = Contender("liar", "JAX", True, right.call, spoiled)
    dead = Contender("dead", "numba", False, broken, right.numbers)
    said: list[str] = []
    found = runner.run(one, reference, (lambda r, d: (right, liar, dead),), "cpu", 3, 0.0, said.append)
    assert [r.sample is None for r in found] == [False, True, True]
    assert found[1].error.startswith("wrong: ")
    assert found[2].error == "failed: RuntimeError: no such instruction"
    assert "liar" in said[0]


def test_a_peer_that_is_missing_is_left_out_with_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jax", None)
    monkeypatch.delitem(sys.modules, "benchmarks.peers.jax_jit", raising=False)
    found, missing = peers.find("torch_eager,jax_jit")
    assert [peer.NAME for peer in found] == ["torch eager"]
    assert any(line.startswith("jax_jit: not installed") for line in missing)
    assert "numba_loops: not asked for" in missing
    with pytest.raises(ValueError, match="no peer is called"):
        peers.find("tensorflow")


def test_softplus_agrees_with_its_definition() -> None:
    x = np.array([-1.0, 0.0, 2.0], np.float32)
    np.testing.assert_allclose(numpy_functions.softplus(x), np.log(1 + np.exp(x.astype(np.float64))), rtol=1e-6)


def test_the_page_holds_machine_rows_verdicts_and_what_is_missing() -> None:
    rows = table.rows(race(ahead(6, BEST)), (OURS, EAGER, JAX, result("liar", "numba")), 0.001, "a|b")
    page = render(
        Report(
            machine=(("CPU", "an abacus"),),
            tables=(Table("CPU, 2 threads", bandwidth.Bandwidth(2.5e10, "made up"), rows),),
            gpu=None,
            costs=(Cost("maze", 1.5, 0.05, "none"), Cost("cifar", 5.5, 0.05, 1.25)),
            first=(First("metrigen --help", 0.9, 0.2), First("metrigen list", 1.2, 0.6)),
            memory=(Memory("metrigen (cpu)", 3 << 20), Memory("JAX", None, "no such contender")),
            memory_race="W1",
            skipped=("numba_loops: not installed",),
        )
    )
    assert "| CPU | an abacus |" in page
    assert "Streaming bandwidth 25.0 GB/s (made up)" in page
    assert "| W1 layer forward | metrigen (cpu) | 2.00 | 2.00 | 1.00 | 10.00x | 2.0x | 50% | 9.0 | yes |" in page
    assert "6x ahead of the best peer: met (10.00x) | a\\|b |" in page
    assert "| liar |  |  |  |  |  |  |  | yes |  | wrong |" in page
    assert "nothing is claimed about one" in page
    assert "| maze | 1.50 s (met: 5 s) | 50 ms | none |" in page
    assert "| cifar | 5.50 s (not met: 5 s) | 50 ms | 1.25 s (met: 3 s) |" in page
    assert "| metrigen list | 1.20 s | 0.60 s (not met: 0.5 s) |" in page
    assert "| metrigen (cpu) | 3.0 |" in page
    assert "- numba_loops: not installed" in page
    lines = [line for line in page.splitlines() if line.startswith("| W1")]
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
    assert page.endswith("\n")
    assert not page.endswith("\n\n")


def test_the_machine_is_named() -> None:
    rows = dict(machine.describe(("torch 1",), 2))
    assert set(rows) == {"CPU", "caches", "memory", "system", "compiler", "Python", "versions"}
    assert all(rows.values())


def test_a_quick_run_needs_no_peer_but_torch(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "--quick", "--rounds", "3", "--threads", "1", "--no-costs"]
    command += ["--only", "W1 layer", "--only", "W3 small", "--out", str(tmp_path)]
    quiet = {k: v for k, v in os.environ.items() if k not in ("FORCE_COLOR", "COLUMNS")}
    done = subprocess.run(
        command, cwd=ROOT, env={**quiet, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "RESULTS.md").read_text()
    for text in ("| W1 layer forward | metrigen (torch) |", "| W3 small grids forward+backward | torch eager |"):
        assert text in page
    assert "wrong:" not in page
    assert "failed:" not in page
    assert (tmp_path / "results.svg").read_text().startswith("<?xml")


def test_a_partial_run_does_not_touch_the_results(tmp_path: Path) -> None:
    kept = {p.name: p.read_bytes() for p in (ROOT / "benchmarks").iterdir() if p.is_file()}
    command = [sys.executable, "-m", "benchmarks", "--quick", "--rounds", "3", "--threads", "1", "--no-costs"]
    done = subprocess.run(
        [*command, "--only", "W4"], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True,
        text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "a partial run: nothing written" in done.stdout
    assert {p.name: p.read_bytes() for p in (ROOT / "benchmarks").iterdir() if p.is_file()} == kept
