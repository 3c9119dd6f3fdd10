"""Casimirs of a bracket among the local functionals of one field: int f(u) for every f, or int u.

J d(int exp(s u)) = 0 for every number s is linear in f', f'', ... of f(u) = exp(s u), whose coefficients are then all
zero: int f(u) is a Casimir for every f.
"""

from __future__ import annotations

import sympy as sp

from metrigen.physics.jets import jet
from metrigen.physics.size import TooLarge
from metrigen.physics.state import State
from metrigen.physics.zero import all_zero

LARGE = 400  # operations in the bracket beyond which no Casimir is looked for


def casimirs(state: State) -> tuple[str, ...]:
    """What is proved to be a Casimir, in words; nothing is said of other functionals."""
    form = state.bracket
    if form is None or sp.count_ops(form.density) > LARGE:
        return ()
    out = []
    s = sp.Symbol("s[]", real=True)
    for u in state.fields:
        for slope, text in ((s * sp.exp(s * jet(u)), "int f({u}) for every function f"), (sp.S.One, "int {u}")):
            try:
                found = form.apply([slope if v == u else sp.S.Zero for v in state.fields])
            except TooLarge:
                break
            if all_zero(found).proved:
                out.append(text.format(u=u.func.__name__))
                break
    return tuple(out)
