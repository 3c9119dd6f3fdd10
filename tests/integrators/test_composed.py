"""Compositions of order 4 and 6: their substeps, measured order, stability, reversal, layers, and what is refused."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from metrigen import (
    RK4,
    Composed,
    Derivation,
    Exponential,
    ImplicitMidpoint,
    Leapfrog,
    SpecError,
    Strang,
    SymplecticEuler,
    System,
    derive,
)
from metrigen.integrators.base import TimeStepper
from metrigen.integrators.composed import STABLE, SUBSTEPS
from tests.integrators.contract import anharmonic, defect_of_reversal, planar, ring, start_of, step_of, steps
from tests.integrators.systems import DT, coupled_wave, hot_wave, wells
from tests.lattice.arrays import dot_defect
from tests.lattice.emitted import layer_class, package
from tests.lowered import lower

pytestmark = pytest.mark.covering

ORDERS = tuple(SUBSTEPS)


@pytest.mark.parametrize("order", ORDERS)
def test_the_substeps_cancel_the_errors(order: int) -> None:
    weights = SUBSTEPS[order]
    assert weights == weights[::-1]
    assert abs(sum(weights) - 1) < 1e-15
    for power in range(3, order, 2):
        assert abs(sum(g**power for g in weights)) < 1e-15
    assert min(weights) < 0, "of order above 2: one has to go back"


@pytest.mark.parametrize("order", ORDERS)
def test_the_stable_steps_of_an_oscillator(order: int) -> None:
    """|trace| <= 2 up to the stated h w and no further, for drift, kick and drift in every substep."""

    def trace(x: np.ndarray) -> np.ndarray:
        whole = np.broadcast_to(np.eye(2), (*x.shape, 2, 2))
        for h in (g * x for g in SUBSTEPS[order]):
            a, b = 1 - h**2 / 2, h * (1 - h**2 / 4)
            whole = np.stack([np.stack([a, b], -1), np.stack([-h, a], -1)], -2) @ whole
        return whole[..., 0, 0] + whole[..., 1, 1]

    bound = float(STABLE[order])
    assert np.abs(trace(np.linspace(1e-3, bound, 100_000))).max() <= 2 + 1e-12
    assert abs(trace(np.array(bound + 2e-4))) > 2


def rates(derivation: Derivation, counts: tuple[int, ...]) -> list[float]:
    step, start = step_of(derivation), start_of(derivation)
    ends = [np.concatenate([*steps(step, start, 1 / n, n).values()]) for n in counts]
    gaps = [float(np.linalg.norm(a - b)) for a, b in itertools.pairwise(ends)]
    return [float(np.log2(a / b)) for a, b in itertools.pairwise(gaps)]


METHODS = {"leapfrog": Leapfrog, "strang": Strang, "exponential": Exponential, "midpoint": ImplicitMidpoint}
CASES: list[tuple[str, int, Callable[..., System]]] = [
    *((name, order, anharmonic) for name in METHODS for order in ORDERS),
    *(("strang", order, planar) for order in ORDERS),
]


@pytest.mark.parametrize(("name", "order", "system"), CASES)
def test_measured_order_and_reversal(name: str, order: int, system: Callable[..., System]) -> None:
    derivation = derive(system(Composed(METHODS[name](1, DT), order=order)))
    counts = (4, 8, 16) if name == "midpoint" else (8, 16, 32)
    (rate,) = rates(derivation, counts)
    assert abs(rate - order) < 0.4, rate
    assert defect_of_reversal(derivation) < 1e-13


def test_the_energy_does_not_drift() -> None:
    """Over twenty periods the error of H stays within its first swings; half the step has a sixteenth of it."""
    derivation = derive(anharmonic(Composed(Leapfrog(1, DT), order=4)))
    step = step_of(derivation)

    def errors(dt: float) -> np.ndarray:
        state, found = start_of(derivation), []
        for _ in range(round(20 / dt)):
            state = steps(step, state, dt, 5)
            q, p = (state[name].item() for name in ("q", "p"))
            found.append(p**2 / 2 + q**2 / 2 + q**4 / 4)
        return np.array(found) - found[0]

    coarse, fine = (np.abs(errors(dt)) for dt in (0.4, 0.2))
    assert coarse[len(coarse) // 2 :].max() < 1.5 * coarse[: len(coarse) // 2].max()
    assert 10 < coarse.max() / fine.max() < 25


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    "damped",
    [lambda m: anharmonic(m, damped=True), lambda m: coupled_wave("zero", m), lambda m: hot_wave("neumann", m), wells],
)
def test_a_metric_is_refused_with_the_reason(damped: Callable[..., System], order: int) -> None:
    with pytest.raises(SpecError, match="Composed does not fit") as caught:
        derive(damped(Composed(Strang(2, DT), order=order)))
    assert caught.value.part == "integrator"
    assert "substeps that run back in time" in caught.value.why
    assert f"{min(SUBSTEPS[order]):.3g} dt back" in caught.value.witness
    assert "Strang(...) alone" in caught.value.fix


def test_what_the_method_refuses_is_refused() -> None:
    with pytest.raises(SpecError, match="Composed does not fit") as caught:
        derive(planar(Composed(Leapfrog(1, DT))))
    assert caught.value.why.startswith("Leapfrog does not fit: the bracket is not canonical")
    derive(planar(Composed(Strang(1, DT))))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: Composed(RK4(1, DT)), "not symmetric"),
        (lambda: Composed(SymplecticEuler(1, DT)), "not symmetric"),
        (lambda: Composed(Composed(Strang(1, DT))), "of order 4"),
        (lambda: Composed(Strang), "takes an integrator"),
        (lambda: Composed(Strang(1, DT), order=8), "order=8"),
    ],
)
def test_what_cannot_be_composed(make: Callable[[], TimeStepper], reason: str) -> None:
    with pytest.raises(SpecError) as caught:
        make()
    assert caught.value.part == "integrator"
    assert reason in f"{caught.value.what} {caught.value.why}"
    assert caught.value.fix


def test_a_rotation_has_no_known_limit() -> None:
    """The limit is that of drifts and kicks alone."""
    assert derive(ring(Composed(Strang(1, DT), order=6))).step_limit is not None
    assert derive(ring(Composed(ImplicitMidpoint(1, DT)))).step_limit is None
    assert derive(planar(Composed(Strang(1, DT)))).step_limit is None
    with pytest.raises(SpecError, match="above the step limit of Composed"):
        derive(ring(Composed(Strang(1, 2.0))))


def test_the_variation_of_a_step() -> None:
    low = lower(derive(coupled_wave("neumann", Composed(Strang(1, DT), order=6), damped=False)))
    assert dot_defect(low.step.body, low.step.adjoint, 1) < 1e-11


def test_the_layer(tmp_path: Path) -> None:
    """The steps of a layer are those of the interpreter, whose gradient is that of autograd; a number as dt can be
    given another value."""
    system = anharmonic(Composed(Strang(3, 0.1), order=4))
    kind = layer_class(package(system, tmp_path, "composed_layer"))
    page = (tmp_path / "composed_layer" / "DERIVATION.md").read_text()
    assert "Composed: order 4, keeps what Strang keeps: decay of phase-space volume exact" in page
    assert inspect.signature(kind).parameters["dt"].default is None
    layer, reference = kind(1, backend="torch").double(), step_of(derive(anharmonic(Composed(Strang(1, DT)))))
    start = {name: torch.full((1, 1), value, dtype=torch.float64) for name, value in (("q", 0.9), ("p", 0.55))}
    expected = steps(reference, {name: x.numpy() for name, x in start.items()}, 0.1, 3)
    for got, name in zip(layer(**start), expected, strict=True):
        assert abs(got.item() - expected[name].item()) < 1e-14
    finer = kind(1, steps=6, dt=0.05, backend="torch").double()
    assert abs(finer(**start).q.item() - layer(**start).q.item()) < 1e-4
    leaves = tuple(x.requires_grad_() for x in start.values())
    assert torch.autograd.gradcheck(lambda *x: tuple(layer(*x)), leaves)
