"""Work is counted in operations, so that a limit gives the same verdict on every machine and nothing hangs."""

from __future__ import annotations

from pathlib import Path

import pytest
import sympy as sp
from adversaries import ADVERSARIES

from metrigen import Derivation, MetrigenError, StructureError, System, budget, derive
from metrigen.budget import DERIVE
from metrigen.physics import derive as deriving
from metrigen.physics import laws, linear, symmetry, tensor, wellposed
from metrigen.physics.partials import Partials
from metrigen.physics.size import TooLarge
from metrigen.physics.work_budget import LAW, WorkBudget, expand, limited, spend
from metrigen.spec.load import load_spec
from tests.lengths import spread

GALLERY = sorted((Path(__file__).parents[2] / "specs" / "gallery").glob("*.py"))
LAW_IN_TWO_SECONDS = LAW // 3


@pytest.fixture
def accounts(monkeypatch: pytest.MonkeyPatch) -> list[WorkBudget]:
    """Every account that is opened while the test runs."""
    opened: list[WorkBudget] = []

    class Recorded(WorkBudget):
        def __init__(self, whole: int, left: int, outer: WorkBudget | None = None) -> None:
            super().__init__(whole, left, outer)
            opened.append(self)

    monkeypatch.setattr(budget, "WorkBudget", Recorded)
    return opened


@pytest.mark.parametrize("path", spread(GALLERY, 4), ids=lambda path: path.stem)
def test_no_law_of_the_gallery_comes_near_its_limit(path: Path, accounts: list[WorkBudget]) -> None:
    derivation = derive(load_spec(path).system)
    assert accounts
    assert max(account.spent for account in accounts) < LAW_IN_TWO_SECONDS
    assert not [law for law in derivation.laws if "not decided: " in law.how]


def outcome_of(system: System) -> Derivation | MetrigenError:
    try:
        return derive(system)
    except MetrigenError as error:
        return error


# The others take half a minute; tests/physics/thorough.py derives them all.
@pytest.mark.parametrize("name", ["numbers", "symbols", "dense metric", "degree twelve", "nested"])
def test_an_extreme_system_ends_in_verdicts_or_a_refusal_that_names_the_part(name: str, accounts) -> None:
    outcome = outcome_of(ADVERSARIES[name]())
    if isinstance(outcome, TooLarge):
        assert outcome.part in ("lagrangian", "hamiltonian", "bracket", "metric")
        assert "was called for" in (outcome.why or "")
    elif isinstance(outcome, StructureError):
        assert outcome.law == "noether"
        assert outcome.witness
    else:
        assert isinstance(outcome, Derivation)
        assert all(law.how for law in outcome.laws)
    (whole,) = (account for account in accounts if account.outer is None)
    assert whole.spent <= DERIVE


def test_what_was_not_decided_says_after_how_much_work() -> None:
    found = derive(ADVERSARIES["symbols"]()).law("noether")
    assert found.verdict == "sampled"
    assert "was called for" in found.how


def test_every_law_opens_an_account_of_its_own() -> None:
    """Each module that decides a law imports the limit; none of them runs without."""
    for module in (laws, tensor, symmetry, wellposed, deriving):
        assert module.limited is limited


def test_an_account_is_kept_and_closed() -> None:
    with limited(100) as account:
        spend(60, "a step")
        with pytest.raises(TooLarge, match="too large") as caught:
            spend(60, "another step")
        assert account.spent == 60
    assert "another step was called for after 60 operations, and 100 are the limit" in str(caught.value)
    spend(1000, "a step on nobody's account")


def test_the_costly_steps_are_charged_before_they_are_taken() -> None:
    a = sp.symbols("a0:12")
    bomb = (1 + sp.Add(*a)) ** 12
    with pytest.raises(TooLarge, match="expansion to 2704156 terms"):
        expand(bomb)
    with limited(10), pytest.raises(TooLarge, match="a derivative of"):
        Partials(sp.Add(*(s**2 for s in a[:1])) + sp.sin(a[0] * a[1]) * a[2] * sp.exp(a[0] + a[3])).along(a[0])
    dense = [[sp.Symbol(f"s{i}_{j}") for j in range(10)] for i in range(10)]
    with pytest.raises(TooLarge, match="minor"), limited(LAW):
        linear.determinant(dense)


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_determinant_and_inverse_agree_with_sympy(n: int) -> None:
    numbers = [[sp.Rational((3 * i * i + 5 * j + i * j) % 7 - 3, 2) + 4 * (i == j) for j in range(n)] for i in range(n)]
    assert linear.determinant(numbers) == sp.Matrix(numbers).det()
    assert sp.Matrix(linear.inverse(numbers)) == sp.Matrix(numbers).inv()
    u = sp.Symbol("u")
    # Two interleaved blocks, so that the search for blocks is not trivial.
    mixed = [
        [entry * (1 + u * int(i < j)) if (i - j) % 2 == 0 else sp.S.Zero for j, entry in enumerate(row)]
        for i, row in enumerate(numbers)
    ]
    assert sp.expand(linear.determinant(mixed) - sp.Matrix(mixed).det()) == 0
    assert (sp.Matrix(linear.inverse(mixed)) * sp.Matrix(mixed)).applyfunc(sp.cancel) == sp.eye(n)
    assert not linear.singular(mixed)
    assert linear.singular([*mixed[:-1], mixed[0]]) if n > 1 else True
