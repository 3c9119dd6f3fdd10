"""The page of functions says what the table does; a helper is defined before it is called; coefficients are exact."""

from __future__ import annotations

import mpmath
import pytest

from metrigen.backends.cpu import functions as of_cpp
from metrigen.backends.torch import functions as of_torch
from metrigen.backends.triton import functions as of_triton
from metrigen.ir.functions import numeric
from metrigen.ir.functions.constants import ONE_MINUS_GAMMA, SCALED_ERFC, ZETA
from metrigen.ir.functions.table import REWRITTEN, TABLE
from metrigen.ir.functions.target import Target
from tests.conftest import ROOT

PAGE = (ROOT / "docs/concepts/functions.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("row", [row for row in TABLE if row.word], ids=lambda row: row.name)
def test_the_page_states_every_row(row: object) -> None:
    cells = [row.domain.replace("|x|", "abs(x)"), f"{row.ulp:g}"]  # type: ignore[attr-defined]
    assert f"| `{row.name}` | {' | '.join(cells)} |" in PAGE  # type: ignore[attr-defined]


def test_the_page_names_what_is_rewritten() -> None:
    assert all(f"`{word}`" in PAGE for word in REWRITTEN)


LANGUAGES = {"numpy": numeric, "torch": of_torch, "cpp": of_cpp, "triton": of_triton}


@pytest.mark.parametrize("target", [m.FUNCTIONS for m in LANGUAGES.values()], ids=[*LANGUAGES])
def test_every_language_has_every_function(target: Target) -> None:
    for row in TABLE:
        for order in range(4) if row.ordered else [""]:
            if row.name == "powlog" and order == 0:
                continue
            called = target.spelling(f"{row.name}{order}")
            own = called.endswith("__") or not target.is_native(row.name)
            assert not own or called.removesuffix(target.SUFFIX) in target.helpers(f"{called}(x)"), called


def test_coefficients() -> None:
    with mpmath.workdps(40):
        assert float(1 - mpmath.euler) == ONE_MINUS_GAMMA
        assert list(ZETA) == [float((-1) ** k * (mpmath.zeta(k) - 1) / k) for k in range(2, 2 + len(ZETA))]
        for x in (0.5, 0.7, 1.0, 2.0, 5.0, 30.0, 1e3):
            u = 4 / (mpmath.mpf(x) + 4)
            want = mpmath.exp(mpmath.mpf(x) ** 2) * mpmath.erfc(x) / u
            got = sum(c * (u - mpmath.mpf(4) / 9) ** n for n, c in enumerate(SCALED_ERFC))
            assert abs(got / want - 1) < 1e-16
