"""Expressions in C++."""

from __future__ import annotations

from metrigen.backends.cpu.functions import FUNCTIONS
from metrigen.backends.expressions import Dialect, call, table

# Vectors of the compiler take arithmetic; functions go lane by lane (templates/kernels.cpp.j2).
CPP = Dialect(
    name="C++",
    functions={**table(FUNCTIONS, call), **{f: call(f"{f}_") for f in ("stumpff", "ratio", "artanhc")}},
    sqrt="sqrt_",
    power="pow_({base}, {exponent})",
    raised="raised_({base}, {exponent}, {rest})",
    literal="R({})",
)
