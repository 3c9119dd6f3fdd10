"""Splittings made of two integrators: order, what they keep, their programs and what is refused."""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from metrigen import (
    RK4,
    AverageVectorField,
    DiscreteGradient,
    ExplicitEuler,
    ImplicitMidpoint,
    Leapfrog,
    SpecError,
    SteadyState,
    Strang,
    System,
    derive,
)
from metrigen.physics.derive import derive as derive_system
from metrigen.programs import optimise
from tests.integrators.systems import DT, Layers, column, coupled_wave, energy_of, gallery
from tests.lattice.arrays import dot_defect
from tests.lowered import lower

pytestmark = pytest.mark.covering


def split(half: type, whole: type) -> Strang:
    return Strang(steps=1, dt=DT, bracket=half, metric=whole)


SYSTEMS: dict[str, System] = {
    "gas_piston": gallery("gas_piston", split(Leapfrog, DiscreteGradient)),
    "relaxing_rigid_body": gallery("relaxing_rigid_body", split(ImplicitMidpoint, DiscreteGradient)),
    "damped_pendulum": gallery("damped_pendulum", split(RK4, AverageVectorField)),
    "wave": coupled_wave("neumann", split(ImplicitMidpoint, ImplicitMidpoint)),
}
STARTS = {
    "gas_piston": (0.9, 0.4, 0.2, -0.1), "relaxing_rigid_body": (0.6, 1.1, -0.4), "damped_pendulum": (1.2, 0.3),
}  # fmt: skip


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> Layers:
    return Layers(tmp_path_factory.mktemp("composition"), SYSTEMS)


@pytest.mark.parametrize("name", STARTS)
def test_measured_order(layers: Layers, name: str) -> None:
    start = column(*STARTS[name])
    ends = [torch.cat(layers.layer(name, steps=n, dt=1 / n)(*start)[: len(start)]) for n in (8, 16, 32)]
    gaps = [(a - b).norm() for a, b in itertools.pairwise(ends)]
    assert abs(torch.log2(gaps[0] / gaps[1]).item() - Strang.order) < 0.15


@settings(max_examples=8)
@given(seed=st.integers(0, 2**31), dt=st.floats(0.01, 0.3))
def test_what_both_parts_keep_is_kept(layers: Layers, seed: int, dt: float) -> None:
    """The midpoint rule keeps the quadratic energy and the entropy |L|^2/2; the discrete gradient the energy, and its
    entropy never falls."""
    layer = layers.layer("relaxing_rigid_body", steps=1, dt=dt)
    generator = torch.Generator().manual_seed(seed)
    state = tuple(torch.randn(2, 1, dtype=torch.float64, generator=generator) for _ in range(3))
    start, entropy = energy_of(layer, state), energy_of(layer, state, "entropy")
    for _ in range(8):
        state = tuple(layer(*state)[:3])
        new = energy_of(layer, state, "entropy")
        assert (new >= entropy - 1e-14 * (1 + entropy)).all()
        entropy = new
    torch.testing.assert_close(energy_of(layer, state), start, rtol=1e-13, atol=1e-13)


def test_the_metric_step_of_a_piston_keeps_the_energy(layers: Layers) -> None:
    """With the piston at rest in the middle the gases exchange heat alone."""
    layer = layers.layer("gas_piston", steps=20, dt=0.1)
    start = column(1.0, 0.0, 0.6, -0.2)
    first = layers.layer("gas_piston", steps=20, dt=1e-6)(*start)
    end = layer(*start)
    assert layer.entropy(end) > layer.entropy(first)
    assert (layer.energy(end) - energy_of(layer, start)).abs() < 1e-2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert layer(*start).status == 0


@pytest.mark.parametrize("name", SYSTEMS)
def test_adjoint_and_gradients(layers: Layers, name: str) -> None:
    low = lower(derive_system(SYSTEMS[name]))
    rank = len(low.dynamics.origin)
    if name != "gas_piston":  # 0 < q < 2 is not what a random state is
        assert dot_defect(low.step.body, low.step.adjoint, rank) < 1e-11
        assert dot_defect(optimise(low.step.body)[0], optimise(low.step.adjoint)[0], rank) < 1e-11
    layer = layers.layer(name, 1 if rank == 0 else 2, steps=1)
    if rank:
        start = tuple(0.4 * torch.randn(1, 2, 3, dtype=torch.float64) for _ in low.dynamics.state)
    else:
        start = column(*STARTS[name])
    start = tuple(z.requires_grad_() for z in start)
    assert torch.autograd.gradcheck(lambda *z: tuple(layer(*z)[: len(z)]), start)


def test_the_guarantee_names_both_parts(layers: Layers) -> None:
    file = Path(str(layers.module("gas_piston").__file__)).parent / "reference.py"
    head = " ".join(line.lstrip("# ") for line in file.read_text().splitlines()[:60])
    assert "Strang: order 2, keeps what both of its parts keep: symplectic form" in head
    assert "(Leapfrog, bracket)" in head
    assert "(DiscreteGradient, metric)" in head


MISUSED = {
    "has bracket= and no metric=": lambda: Strang(1, 0.1, bracket=Leapfrog),
    "has metric= and no bracket=": lambda: Strang(1, 0.1, metric=RK4),
    "ExplicitEuler does not fit a splitting": lambda: split(Leapfrog, ExplicitEuler),
    "is no class of an integrator": lambda: split(Leapfrog, SteadyState),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("message", MISUSED)
def test_misuse_is_refused_where_it_is_written(message: str) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        MISUSED[message]()
    assert "bracket=Leapfrog, metric=DiscreteGradient" in caught.value.fix


UNFIT = {
    "there is no metric": ("pendulum", split(Leapfrog, RK4)),
    "there is no bracket": ("heat_exchange", split(RK4, DiscreteGradient)),
    "bracket=Leapfrog does not fit that part: the bracket is not canonical": (
        "relaxing_rigid_body",
        split(Leapfrog, DiscreteGradient),
    ),
    "metric=AverageVectorField does not fit that part: with an entropy": (
        "gas_piston",
        split(Leapfrog, AverageVectorField),
    ),
    "metric=Leapfrog does not fit that part: Leapfrog has no friction": ("damped_pendulum", split(RK4, Leapfrog)),
}


@pytest.mark.parametrize("why", UNFIT)
def test_parts_that_do_not_fit_are_refused(why: str) -> None:
    name, integrator = UNFIT[why]
    with pytest.raises(SpecError, match="Strang does not fit") as caught:
        derive(gallery(name, integrator))
    assert why in caught.value.why
    assert caught.value.fix
