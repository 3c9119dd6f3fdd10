"""The page of functions says what the table does; a helper is defined before it is called; coefficients are exact."""

from __future__ import annotations

import mpmath
import pytest

from metrigen.ir.functions.constants import ONE_MINUS_GAMMA, SCALED_ERFC, ZETA
from metrigen.ir.functions.table import REWRITTEN, TABLE
from metrigen.ir.functions.write import helpers, spelling
from tests.conftest import ROOT

PAGE = (ROOT / "docs/concepts/functions.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("row", [row for row in TABLE if row.word], ids=lambda row: row.name)
def test_the_page_states_every_row(row: object) -> None:
    cells = [row.domain.replace("|x|", "abs(x)"), f"{row.ulp:g}"]  # type: ignore[attr-defined]
    assert f"| `{row.name}` | {' | '.join(cells)} |" in PAGE  # type: ignore[attr-defined]


def test_the_page_names_what_is_rewritten() -> None:
    assert all(f"`{word}`" in PAGE for word in REWRITTEN)


@pytest.mark.parametrize("target", ["numpy", "torch", "cpp", "triton"])
def test_every_target_has_every_function(target: str) -> None:
    for row in TABLE:
        for order in range(4) if row.ordered else [""]:
            if row.name == "powlog" and order == 0:
                continue
            called = spelling(f"{row.name}{order}", target)
            mark = called.removesuffix("_") if target == "cpp" else called.removesuffix("__")
            own = called.endswith("__") or (target == "cpp" and row.cpp == "own")
            assert not own or f"{mark}" in helpers(f"{called}(x)", target), called


def test_coefficients() -> None:
    with mpmath.workdps(40):
        assert float(1 - mpmath.euler) == ONE_MINUS_GAMMA
        assert list(ZETA) == [float((-1) ** k * (mpmath.zeta(k) - 1) / k) for k in range(2, 2 + len(ZETA))]
        for x in (0.5, 0.7, 1.0, 2.0, 5.0, 30.0, 1e3):
            u = 4 / (mpmath.mpf(x) + 4)
            want = mpmath.exp(mpmath.mpf(x) ** 2) * mpmath.erfc(x) / u
            got = sum(c * (u - mpmath.mpf(4) / 9) ** n for n, c in enumerate(SCALED_ERFC))
            assert abs(got / want - 1) < 1e-16
