"""Random Lagrangians: fields, couplings, orders and wrappers drawn by Hypothesis."""

from __future__ import annotations

import sympy as sp
from hypothesis import strategies as st
from zoo import LINE, PLANE, POINT, field

from metrigen import Lattice, Param, t

PARAMETERS = (sp.S.One, -sp.S.One, sp.Rational(3, 2), Param("c"), Param("k", positive=True))
WRAPPERS = (sp.sin, sp.exp, lambda f: sp.sqrt(1 + f**2), lambda f: 1 / (1 + f**2))


@st.composite
def lagrangians(draw: st.DrawFn) -> tuple[sp.Expr, tuple, Lattice]:
    """(kinetic + random density, its fields, the domain); the density may hold second derivatives and velocities."""
    domain = draw(st.sampled_from((POINT, LINE, PLANE)))
    fields = tuple(field(name, domain) for name in ("u", "v")[: draw(st.integers(1, 2))])
    atoms = [*fields, *(f.diff(a) for f in fields for a in domain.axes)]
    atoms += [f.diff(a, b) for f in fields for a in domain.axes for b in domain.axes]
    if draw(st.booleans()):
        atoms += [f.diff(t) for f in fields]
    terms = []
    for _ in range(draw(st.integers(1, 3))):
        factors = draw(st.lists(st.sampled_from(atoms), min_size=1, max_size=3))
        term = sp.Mul(*factors)
        if draw(st.integers(0, 4)) == 0:
            term = draw(st.sampled_from(WRAPPERS))(term)
        terms.append(term * draw(st.sampled_from(PARAMETERS)))
    return sp.Add(*(f.diff(t) ** 2 / 2 for f in fields), *terms), fields, domain


@st.composite
def skew_operators(draw: st.DrawFn) -> tuple:
    """(half, field, order): b(F, G) = half(F, G) - half(G, F) is skew, and F[field] D^order G[field], order even, is
    not."""
    u, v = field("u"), field("v")
    (x,) = LINE.axes
    weights = st.sampled_from((sp.S.One, u, v**2, sp.sin(u), u.diff(x), Param("c")))
    terms = draw(
        st.lists(
            st.tuples(weights, st.sampled_from((u, v)), st.sampled_from((u, v)), st.integers(0, 3)),
            min_size=1,
            max_size=3,
        )
    )

    def half(F, G):
        return sp.Add(*(w * F[a] * (G[b].diff(x, n) if n else G[b]) for w, a, b, n in terms))

    return half, draw(st.sampled_from((u, v))), draw(st.sampled_from((0, 2)))
