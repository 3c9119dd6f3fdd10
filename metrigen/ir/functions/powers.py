"""Exponents that a float is not: x^(1/3) with the 1/3 of float32 is off by its error times log x."""

from __future__ import annotations

import struct

import sympy as sp

_SHORT = 2**16  # the first part of an exponent in these units: float32 holds it


def exact_in_float32(value: sp.Expr) -> bool:
    """Whether float32 holds the number."""
    if value.is_Rational and value.q & (value.q - 1):
        return False
    try:
        found = float(value)
        return bool(struct.unpack("f", struct.pack("f", found))[0] == found)
    except OverflowError:
        return False


def parts(exponent: sp.Expr) -> tuple[sp.Rational, sp.Float]:
    """A number as one of few digits and a small rest that is not negative."""
    first = sp.Rational(int(sp.floor(exponent * _SHORT)), _SHORT)
    return first, sp.Float((exponent - first).evalf(20), 20)
