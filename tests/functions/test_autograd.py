"""The slope that torch's autograd takes of every function of the reference, at zero and at the folds of forms too."""

from __future__ import annotations

import math

import mpmath
import pytest
import sympy as sp
import torch

from metrigen.backends.torch.dialect import TORCH
from metrigen.backends.torch.functions import FUNCTIONS
from metrigen.ir.functions.normal import normal
from tests.functions.cases import CASES, x
from tests.functions.exact import derivatives, value

# Zero, where most forms fold; ends of their branches; between them.
POINTS = (0.0, 1e-9, -1e-9, 0.34, 0.35, 0.5, -0.5, 0.6, 0.7, 1.0, -1.0, 1.7, 2.0, -2.0, 3.0, -3.0, 7.3, -7.3)


def autograd(expr: sp.Expr, at: float) -> float:
    text = f"def f(x):\n    return {TORCH.print(expr)}\n"
    scope: dict = {"torch": torch, "Tensor": torch.Tensor}
    exec(f"{FUNCTIONS.helpers(text)}\n\n{text}", scope)
    given = torch.tensor([[[at]]], dtype=torch.float64, requires_grad=True)
    out = scope["f"](given)
    return torch.autograd.grad(out.sum(), given)[0].item() if out.requires_grad else 0.0


def smooth(name: str, at: float) -> float | None:
    """The slope at a point inside of the domain, None at an end, a pole or a kink."""
    case = CASES[name]
    try:
        left, here, right = (
            derivatives(lambda y: value(case.exact, {x: y}), at + step, 1)[1] for step in (-1e-6, 0.0, 1e-6)
        )
    except (ValueError, ZeroDivisionError, OverflowError, TypeError, mpmath.libmp.NoConvergence):
        return None
    slopes = [float(mpmath.re(s)) for s in (left, here, right)]
    if not all(map(math.isfinite, slopes)) or any(mpmath.im(s) for s in (left, here, right)):
        return None
    return slopes[1] if max(slopes) - min(slopes) <= 1e-3 * (1 + abs(slopes[1])) else None


@pytest.mark.parametrize("name", CASES)
def test_autograd_of_the_reference_takes_the_slope(name: str) -> None:
    wrong = []
    for at in POINTS:
        right = smooth(name, at)
        if right is None or ("gamma" in name and at <= 0):  # polygamma is of x > 0 alone
            continue
        found = autograd(normal(CASES[name].expr), at)
        if not abs(found - right) <= 1e-7 * (1 + abs(right)):
            wrong.append((at, found, right))
    assert not wrong, wrong
