"""Expressions in PyTorch."""

from __future__ import annotations

import re

from metrigen.backends.expressions import PLAIN, Dialect, Writer, call, of_order, order, table
from metrigen.backends.torch.functions import FUNCTIONS


def _of_tensors(spelling: str) -> Writer:
    """A call whose plain numbers become tensors; in float64, as they take the dtype of their partner. A function of the
    package's own takes numbers."""
    plain = call(spelling)
    if spelling.endswith("__"):
        return plain
    return lambda *args: plain(*map(as_tensor, args))


def as_tensor(argument: str) -> str:
    return _tensor(argument) if re.fullmatch(PLAIN, argument) else argument


def _filled(argument: str, other: str) -> str:
    """The argument; a plain number in the shape of its partner."""
    return f"torch.full_like({other}, {argument})" if re.fullmatch(PLAIN, argument) else argument


def _tensor(number: str) -> str:
    return f"torch.tensor({number}, dtype=torch.float64)"


TORCH = Dialect(
    name="torch",
    functions={
        **table(FUNCTIONS, _of_tensors),
        "damped_stumpff": of_order("damped_stumpff({}, "),
        "stumpff": lambda k, x, d: f"stumpff({order(k)}, {_filled(x, d)}, {_filled(d, x)})",
        "ratio": call("_ratio"),
        "artanhc": of_order("_artanhc({}, "),
    },
    sqrt="torch.sqrt",
    power="torch.pow({base}, {exponent})",
    modules=True,
)
