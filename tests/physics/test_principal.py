"""Well-posedness by the principal part: what is proved, what depends on the state, and what must not be claimed."""

from __future__ import annotations

import pytest
import sympy as sp
from zoo import LINE, PLANE, field, gas, x, y

from metrigen import Dissipation, Lattice, Param, StructureError, System, derive, t
from metrigen.physics.derivation import Law
from metrigen.physics.principal import in_energy_space
from metrigen.physics.state import build_state

u, v, w = field("u"), field("v"), field("w", PLANE)
h = sp.Function("h", positive=True)(t, x)
POSITIVE, FREE = Param("a", positive=True), Param("b")


def law(domain=LINE, **parts) -> Law:
    return derive(System("s", domain, **parts)).law("well_posed")


def flow(energy, metric, fields=(u,), domain=LINE) -> Law:
    return law(domain, fields=fields, hamiltonian=energy, metric=Dissipation(*metric))


def moved(energy, bracket, fields=(u,), **parts) -> Law:
    return law(fields=fields, hamiltonian=energy, bracket=bracket, **parts)


ADVECTION = lambda F, G: F[u] * G[u].diff(x)
WAVE = lambda F, G: F[u] * G[v].diff(x) + F[v] * G[u].diff(x)
CANONICAL = lambda F, G: F[u] * G[v] - F[v] * G[u]


@pytest.mark.parametrize(
    ("found", "how"),
    [
        (lambda: moved(u.diff(x) ** 2 / 2 + u**3, ADVECTION), "dispersive"),
        (lambda: moved(u**3, ADVECTION), "symmetric hyperbolic"),
        (
            lambda: moved(h * v**2 / 2 + h**2 / 2, lambda F, G: -F[h] * G[v].diff(x) - F[v] * G[h].diff(x), (h, v)),
            "diag",
        ),
        (lambda: derive(gas()).law("well_posed"), "symmetriser H''"),
        (lambda: moved((u**2 + v**2 + u.diff(x) ** 2) / 2 + u**3, WAVE, (u, v)), "semilinear"),
        (lambda: moved((u.diff(x) ** 2 + v.diff(x) ** 2) / 2 - (u**2 + v**2) ** 2, CANONICAL, (u, v)), "semilinear"),
        (lambda: moved(v**2 / 2 + sp.cosh(u.diff(x)), CANONICAL, (u, v)), "quasilinear wave"),
        (lambda: flow(h**3, [(h, lambda F: F[h].diff(x))], (h,)), "parabolic of order 2"),
        (lambda: flow(POSITIVE * u.diff(x) ** 2 + u**4 - u**2, [(1, lambda F: F[u].diff(x))]), "parabolic of order 4"),
        (
            lambda: flow(
                w.diff(x) ** 2 + w.diff(x) * w.diff(y) + w.diff(y) ** 2 + sp.cos(w),
                [(1 + w**2, lambda F: F[w])],
                (w,),
                PLANE,
            ),
            "parabolic of order 2",
        ),
    ],
)
def test_proved(found, how: str) -> None:
    law = found()
    assert (law.verdict, how in law.how) == ("proved", True), law
    assert "locally in time" in law.detail


@pytest.mark.parametrize(
    "found",
    [
        # a backward term of lower order beside a leading coefficient that may vanish
        lambda: flow(Param("k", nonnegative=True) * u.diff(x) ** 2 + u**4 - u**2, [(1, lambda F: F[u].diff(x))]),
        # degenerate where u = 0
        lambda: flow(u**2, [(u**2, lambda F: F[u].diff(x))]),
        # derivatives of the state in front of the third one
        lambda: moved(u.diff(x) ** 2 * (1 + u**2), ADVECTION),
        # first order beside walls: no condition is known for the characteristics
        lambda: law(
            Lattice(x, boundary="zero"), fields=(u,), hamiltonian=u**3, bracket=lambda F, G: F[u] * G[u].diff(x)
        ),
    ],
)
def test_not_claimed(found) -> None:
    assert found().verdict in ("sampled", "conditional")


def test_a_condition_on_the_state_is_told() -> None:
    law = moved(v**2 / 2 + u.diff(x) ** 2 / 2 + u.diff(x) ** 3, CANONICAL, (u, v))
    assert law.verdict == "conditional"
    assert law.detail == "6*Derivative(u(t, x), x) + 1 > 0"


@pytest.mark.parametrize(
    "found",
    [
        lambda: flow(-(u.diff(x) ** 2), [(1, lambda F: F[u])]),
        lambda: moved(v**2 / 2 - sp.cosh(u.diff(x)), CANONICAL, (u, v)),
        lambda: moved(u**2 - v**2, WAVE, (u, v)),
    ],
)
def test_ill_posed_equations_are_still_refused(found) -> None:
    with pytest.raises(StructureError) as refused:
        found()
    assert refused.value.law == "well_posed"


def test_a_norm_whose_weights_leave_open_how_many_derivatives_it_holds_is_no_proof() -> None:
    """k >= 0: with k > 0 the rest of the u equation, u itself, must be bounded in H^2 by a norm of H^1 for k = 0."""
    k = Param("k", nonnegative=True)

    def found(weight) -> Law | None:
        energy = (u**2 + v**2 + u.diff(x) ** 2 + weight * u.diff(x, 2) ** 2) / 2 + u * v
        return in_energy_space(build_state(System("s", LINE, (u, v), hamiltonian=energy, bracket=CANONICAL)))

    assert found(0) is not None
    assert found(k) is None
