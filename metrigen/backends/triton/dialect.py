"""Expressions in Triton."""

from __future__ import annotations

import re

import sympy as sp

from metrigen.backends.expressions import DIGITS, PLAIN, Dialect, Writer, as_tile, call, of_order, table
from metrigen.backends.triton.functions import FUNCTIONS
from metrigen.ir.functions.powers import exact_in_float32


def _of_tiles(spelling: str) -> Writer:
    """A call whose plain numbers become tiles like their partner: alone, a number is rounded to float32."""
    plain = call(spelling)

    def write(*args: str) -> str:
        partner = next((a for a in args if not re.fullmatch(PLAIN, a)), None)
        return plain(*(a if partner is None else as_tile(a, partner) for a in args))

    return write


def _pair(spelling: str) -> Writer:
    """The same for an instruction of Triton's: a number that float32 holds stays as it is."""
    plain, tiled = call(spelling), _of_tiles(spelling)
    return lambda *args: (plain if all(map(_is_short, args)) else tiled)(*args)


def _is_short(argument: str) -> bool:
    if not re.fullmatch(rf"-?{DIGITS}", argument):
        return not re.fullmatch(PLAIN, argument)
    return exact_in_float32(sp.Float(argument, 20))


# The interpreter has no libdevice: everything is spelled with exp, log, sin, cos and sqrt.
TRITON = Dialect(
    name="Triton",
    functions={**table(FUNCTIONS, _of_tiles, _pair), "damped_stumpff": of_order("_damped_stumpff({}, ")},
    sqrt="tl.sqrt",
    power="power__({base}, {exponent})",
    logarithmic=True,
)
