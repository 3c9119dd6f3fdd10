"""What a dialect takes for a plain number, which it makes a tensor of."""

from __future__ import annotations

import pytest

from metrigen.backends.torch.dialect import as_tensor

LONG = "0." + 100 * "1"


@pytest.mark.parametrize("text", ["2", "-0.5", "(1 / 3)", "1e-05", "-(2.5e+17 / 3.0)", LONG, f"{LONG} - {LONG}"])
def test_a_number_is_made_a_tensor(text: str) -> None:
    assert as_tensor(text) == f"torch.tensor({text}, dtype=torch.float64)"


@pytest.mark.parametrize("text", ["e1", "x", "2 * x", "1 - e2", f"{LONG} * x", f"{LONG} - {LONG} * x"])
def test_what_holds_a_name_stays(text: str) -> None:
    """However long its numbers are: a number that could be cut anywhere would be tried in 2^100 ways."""
    assert as_tensor(text) == text
