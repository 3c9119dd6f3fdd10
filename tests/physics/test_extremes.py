"""Specs whose equations explode: limits of size decide before the work, and every law says what was not done."""

from __future__ import annotations

import time

import pytest
import sympy as sp
from zoo import LINE, PLANE, field, x, y

from metrigen import RK4, Dissipation, SpecError, System, derive
from metrigen.physics.size import TooLarge

u, w = field("u"), field("w", PLANE)
ENERGY = sp.exp(u * u.diff(x, 2) ** 2)


def on_line(**parts) -> System:
    return System("s", LINE, (u,), hamiltonian=ENERGY, **parts)


EXTREME = {
    "fifth order": on_line(bracket=lambda F, G: F[u] * G[u].diff(x, 5), integrator=RK4(steps=1, dt=0.1)),
    "plane": System(
        "s",
        PLANE,
        (w,),
        hamiltonian=sp.exp(w * w.diff(x, 2) * w.diff(y, 2)),
        bracket=lambda F, G: F[w] * G[w].diff(x, 3),
    ),
    "metric": System(
        "s",
        LINE,
        (u,),
        hamiltonian=sp.sqrt(1 + u.diff(x, 3) ** 2 * u**2),
        metric=Dissipation((1, lambda F: F[u].diff(x, 2))),
        integrator=RK4(steps=1, dt=0.1),
    ),
}


@pytest.mark.parametrize("name", EXTREME)
def test_no_derivation_takes_long_and_every_limit_is_told(name: str) -> None:
    start = time.process_time()
    derivation = derive(EXTREME[name])
    assert time.process_time() - start < 20
    for law in derivation.laws:
        assert law.how
        if law.verdict == "sampled":
            told = f"{law.how} {law.detail}"
            assert any(word in told for word in ("not ", "points", "random", "limit"))


def test_equations_too_large_to_write_out_are_exact_with_derivatives_indicated() -> None:
    (rate,) = derive(EXTREME["fifth order"]).equations.values()
    (indicated,) = (d for d in rate.atoms(sp.Derivative) if d.expr.is_Add)
    small = derive(on_line(bracket=lambda F, G: F[u] * G[u].diff(x)))
    (once,) = small.equations.values()
    assert indicated.variables == (x,) * 5
    gap = indicated.expr.diff(x).doit() - once
    values = {f: sp.Rational(k + 2, 7) for k, f in enumerate(sorted(gap.atoms(sp.Derivative), key=str))}
    assert abs(sp.N(gap.xreplace(values).xreplace({u: sp.Rational(1, 3)}), 40)) < 1e-30


def test_an_operator_that_explodes_is_refused_by_name() -> None:
    def bracket(F, G):
        return sp.exp(u * u.diff(x, 2)) * (F[u] * G[u].diff(x, 9) - G[u] * F[u].diff(x, 9))

    with pytest.raises(SpecError, match="too large") as caught:
        derive(on_line(bracket=bracket))
    assert isinstance(caught.value, TooLarge)
    assert caught.value.part == "bracket"
    assert caught.value.fix
