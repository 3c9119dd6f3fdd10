"""Elliptic constraints that are refused, with the reason and the way out."""

from __future__ import annotations

import pytest
import sympy as sp

from metrigen import (
    RK4,
    Dissipation,
    Field,
    Input,
    Lattice,
    Leapfrog,
    SpecError,
    SteadyState,
    Strang,
    System,
    derive,
    grad,
    mix,
)
from tests.lattice.test_constraints import K, turned, x, y
from tests.lowered import lower

plane = Lattice(x, y)
w, psi, chi = (Field(name, plane) for name in ("w", "psi", "chi"))
k = Input("k", plane)
LAP = psi.diff(x, 2) + psi.diff(y, 2)
REFUSED = {
    "nonlinear": ({psi: LAP - sp.sinh(psi) - w}, "changes from state to state"),
    "of the state": ({psi: LAP - w**2 * psi - w}, "changes from state to state"),
    "not self-adjoint": ({psi: LAP - psi + psi.diff(x) - w}, "not self-adjoint"),
    "no sign": ({psi: LAP + psi - w}, "not positive or negative definite"),
    "unknown sign": ({psi: sum((k * psi.diff(s)).diff(s) for s in (x, y)) - w}, "not positive or negative definite"),
    "channels": ({psi: LAP - mix(K, psi) - w}, "couples the channels"),
    "a circle": (
        {psi: LAP - psi - chi, chi: chi.diff(x, 2) + chi.diff(y, 2) - chi - psi - w},
        "holds chi, which holds",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_teach(name: str) -> None:
    constraints, words = REFUSED[name]
    system = System("s", plane, fields=(w,), hamiltonian=w**2 / 2, constraints=constraints,
                    bracket=lambda F, G: w * turned(F[w], G[w]), integrator=RK4(steps=1, dt=0.1))  # fmt: skip
    with pytest.raises(SpecError) as refused:
        lower(derive(system))
    assert refused.value.part == "constraints"
    assert refused.value.fix
    assert words in str(refused.value)


def test_integrators_that_do_not_fit() -> None:
    q, p = Field("q", plane), Field("p", plane)
    canonical = lambda F, G: F[q] * G[p] - F[p] * G[q]
    form = (grad(psi).square + psi**2) / 2

    def refuse(words: str, **parts) -> None:
        with pytest.raises(SpecError, match=words) as refused:
            derive(System("s", plane, **{"fields": (q, p), "bracket": canonical, **parts}))
        assert refused.value.part == "integrator"

    refuse("moves in a drift", hamiltonian=q**2 / 2 + form, constraints={psi: LAP - psi - p},
           integrator=Leapfrog(steps=1, dt=0.1))  # fmt: skip
    refuse("a bracket holds psi", hamiltonian=p**2 / 2 + form, constraints={psi: LAP - psi - q},
           metric=lambda F, G: psi**2 * F[p] * G[p], integrator=Strang(steps=1, dt=0.1))  # fmt: skip
    refuse("a solve inside a solve", fields=(w,), bracket=None, hamiltonian=w**2 / 2 + form,
           constraints={psi: LAP - psi - w}, metric=Dissipation((1, lambda F: F[w])),
           integrator=SteadyState())  # fmt: skip
