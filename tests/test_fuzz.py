"""A few specs of the fuzzer, and faults that it must find."""

from __future__ import annotations

import pytest

from tests.fuzzing.cells import cells
from tests.fuzzing.planted import PLANTED
from tests.fuzzing.run import outcome_of
from tests.lengths import LONG

EVERY = 10  # so many specs, one runs on the compiled kernels
SEEDS = 3  # drawn for a planted fault: a term that shows it may be missing in one of them


@pytest.fixture(autouse=True)
def kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METRIGEN_CPU_KERNELS", "1")


@pytest.mark.parametrize("seed", range(40))
def test_random_specs(seed: int) -> None:
    """Forty specs through the whole chain, one of ten on the compiled kernels."""
    found = outcome_of(seed, EVERY)
    assert not found.faults, (str(found.cell), found.faults)


@pytest.mark.parametrize("name", list(PLANTED) if LONG else list(PLANTED)[1::3])
def test_a_planted_fault_is_found(name: str) -> None:
    planted = PLANTED[name]
    every = 1 if planted.kernels else 1000
    for seed in range(1, SEEDS + 1):
        clean = outcome_of(seed, every, planted.cell)
        assert not clean.faults, clean
        with pytest.MonkeyPatch.context() as patch:
            planted.plant(patch)
            if outcome_of(seed, every, planted.cell).faults:
                return
    pytest.fail("not found")


def test_every_cell_is_tried() -> None:
    """The order of the cells spreads a short run over every domain, wall, method and feature."""
    table = cells()
    assert len(set(table)) == len(table)
    for part, first in (("domain", 400), ("wall", 100), ("method", 400), ("feature", 1300)):
        assert {getattr(c, part) for c in table[:first]} == {getattr(c, part) for c in table}
