"""The contract of methods, for each of them: what a class says of itself, and that it is known by nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest

from metrigen import Exponential, Leapfrog, SpecError, Strang, System, derive, vocabulary
from metrigen.discretise.dynamics import Builder, Dynamics
from metrigen.integrators.base import TimeStepper
from metrigen.integrators.methods import METHODS
from metrigen.ir.nodes import Program
from metrigen.spec.contracts import Method, Stepper
from metrigen.spec.domain import Sequence
from tests.integrators import contract
from tests.integrators.contract import KINDS, LINEAR, ORDER_SLACK, POINTS, POOL, fitting, made, outcome
from tests.integrators.systems import DT, coupled_wave
from tests.lattice.emitted import compiled

pytestmark = pytest.mark.covering

STEPPERS = tuple(kind for kind in METHODS if issubclass(kind, Stepper))
SYMMETRIC = tuple(kind for kind in STEPPERS if kind.symmetric)
each = pytest.mark.parametrize("kind", METHODS, ids=lambda kind: kind.__name__)
each_stepper = pytest.mark.parametrize("kind", STEPPERS, ids=lambda kind: kind.__name__)


class MyLeapfrog(Leapfrog):
    pass


def test_a_method_by_another_name_refuses_what_it_refuses() -> None:
    derive(coupled_wave("zero", MyLeapfrog(2, DT), damped=False))
    with pytest.raises(SpecError, match="MyLeapfrog does not fit") as caught:
        derive(coupled_wave("zero", MyLeapfrog(2, DT)))
    assert "no friction" in caught.value.why


def test_a_method_by_another_name_is_emitted_as_it_is() -> None:
    """The files of the two packages differ in the name alone."""
    own, same = (compiled(contract.anharmonic(kind(2, DT))).files for kind in (Leapfrog, MyLeapfrog))
    for file in ("base.py", "checks.py", "cpu.py", "__init__.py"):
        assert own[file] == same[file]
    for file in ("kernels.py", "kernels.cpp"):  # their docstrings name the method
        assert own[file] == same[file].replace("MyLeapfrog", "Leapfrog")
    assert {name: text.replace("MyLeapfrog", "Leapfrog") for name, text in same.items() if name == "reference.py"} == {
        "reference.py": own["reference.py"]
    }


@dataclass(frozen=True)
class Unchecked(TimeStepper):
    """A step that leaves everything where it is, and says nothing of what it holds."""

    order: ClassVar[int] = 1
    keeps: ClassVar[str] = "everything"

    def step(self, dynamics: Dynamics) -> Program:
        return Builder(dynamics).finish({a.name: dynamics.load(a.name) for a in dynamics.state})


@pytest.mark.parametrize("name", POOL)
def test_a_method_that_says_nothing_of_what_it_handles_handles_nothing(name: str) -> None:
    with pytest.raises(SpecError, match="Unchecked does not") as caught:
        derive(POOL[name](Unchecked(1, DT)))
    assert caught.value.part == "integrator"
    assert caught.value.fix


def test_a_method_states_its_order_and_what_it_keeps() -> None:
    class Silent(TimeStepper):
        step = Unchecked.step

    with pytest.raises(SpecError, match="Silent does not state its order and keeps"):
        Silent(1, DT)


@pytest.mark.parametrize("value", [Leapfrog, "leapfrog", 3])
def test_what_is_no_method_is_refused(value: object) -> None:
    with pytest.raises(SpecError, match="integrator= takes a method") as caught:
        contract.anharmonic(value)  # type: ignore[arg-type]
    assert "Strang(steps=8, dt=0.1)" in caught.value.fix


def test_the_tuple_is_what_a_spec_may_name() -> None:
    exported = {value for value in vars(vocabulary).values() if isinstance(value, type) and issubclass(value, Method)}
    assert set(METHODS) == exported
    assert len(METHODS) == len(exported)


@each
def test_what_a_class_states(kind: type[Method]) -> None:
    assert kind.order is None if not issubclass(kind, Stepper) else kind.order >= 1
    assert kind.keeps
    assert kind.check is not Method.check
    assert kind.check.__doc__
    assert kind.__doc__


@each
def test_another_name_is_the_same_method(kind: type[Method]) -> None:
    """A subclass is refused where the class is, for the same reasons, and else makes the same programs."""
    other = type("Namesake", (kind,), {})
    fits = 0
    for name in KINDS:
        own, same = (outcome(m, name, kind.__name__, "Namesake") for m in (made(kind), _as(other, made(kind))))
        assert own == same, name
        fits += own.refused is None
        if own.refused is not None:
            assert all(own.refused), f"{name}: what, why and the way out"
    assert fits


def _as(kind: type[Method], method: Method) -> Method:
    """The same values in another class."""
    same = object.__new__(kind)
    for name, value in vars(method).items():
        object.__setattr__(same, name, value)
    return same


@each_stepper
def test_the_order_is_the_measured_one(kind: type[Stepper]) -> None:
    """Never lower, and on some system no higher."""
    rates = {name: contract.measured_order(found) for name, found in fitting(kind, POINTS).items()}
    assert rates
    assert min(rates.values()) > kind.order - ORDER_SLACK, rates
    assert min(rates.values()) < kind.order + 2 * ORDER_SLACK, rates


@pytest.mark.parametrize("kind", SYMMETRIC, ids=lambda kind: kind.__name__)
def test_a_symmetric_step_is_undone_by_a_step_back(kind: type[Stepper]) -> None:
    found = {n: d for n, d in fitting(kind, POINTS).items() if d.system.stepper.is_reversible(d)}
    assert found
    for name, derivation in found.items():
        assert contract.defect_of_reversal(derivation) < 1e-13, name


@each_stepper
def test_the_step_limit_is_where_waves_begin_to_grow(kind: type[Stepper]) -> None:
    """Below it nothing grows, above it something does."""
    for name, derivation in fitting(kind, LINEAR).items():
        limit = derivation.step_limit
        if limit is not None:
            assert contract.growth(derivation, 0.999 * float(limit)) < 1 + 1e-9, name
            assert contract.growth(derivation, 1.01 * float(limit)) > 1 + 1e-6, name


@each
def test_a_token_takes_an_exact_step_alone(kind: type[Method]) -> None:
    refused = outcome(made(kind), "tokens", kind.__name__).refused
    assert (refused is None) == (Sequence in kind.domains)
    if refused is not None:
        assert "one exact step of linear dynamics" in refused[1]


def test_a_token_never_takes_the_step_of_another_class() -> None:
    """``step`` is that of a lattice: on a sequence it would not be called, and no one would know."""

    class Own(Exponential):
        step = Unchecked.step

    derive(POOL["anharmonic"](Own(1, DT)))
    with pytest.raises(SpecError, match="Own does not fit"):
        derive(POOL["tokens"](Own()))


@each
def test_a_metric_along_edges_is_taken_by_who_says_so(kind: type[Method]) -> None:
    refused = outcome(made(kind), "edges", kind.__name__).refused
    assert (refused is None) == kind.edges
    if refused is not None:
        assert "acts along edges" in refused[1]


def test_a_composition_asks_its_parts() -> None:
    """Friction is not dropped where a part of a composition has another name."""

    def system(half: type[TimeStepper]) -> System:
        return coupled_wave("zero", Strang(2, DT, bracket=half, metric=half))

    for half in (Leapfrog, MyLeapfrog):
        with pytest.raises(SpecError, match="Strang does not fit") as caught:
            derive(system(half))
        assert f"metric={half.__name__} does not fit that part" in caught.value.why
