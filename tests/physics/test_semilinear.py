"""Well-posedness of semilinear systems by an energy estimate, and where the estimate must not be claimed."""

from __future__ import annotations

import pytest
import sympy as sp

from metrigen import Dissipation, Field, Lattice, StructureError, System, derive, grad, momentum, t
from metrigen.physics.semilinear import is_semilinear
from metrigen.physics.state import build_state

x, y = sp.symbols("x y", real=True)
plane = Lattice(x, y)
u, v = Field("u", plane), Field("v", plane)


def verdict(**parts: object) -> str:
    return derive(System(name="s", domain=plane, **parts)).law("well_posed").verdict  # type: ignore[arg-type]


def test_nonlinear_waves_and_flows_are_proved() -> None:
    pi = momentum(u)
    wave = u.diff(t) ** 2 / 2 - grad(u).square / 2
    assert verdict(lagrangian=wave - (1 - sp.cos(u))) == "proved"
    assert verdict(lagrangian=wave + u**2 - u**4, metric=lambda F, G: F[pi] * G[pi]) == "proved"
    energy = grad(u).square / 2 + (u**2 - 1) ** 2 / 4
    assert verdict(hamiltonian=energy, fields=(u,), metric=Dissipation((1, lambda F: F[u]))) == "proved"


@pytest.mark.parametrize(
    "energy",
    [
        grad(u).square / 2 + v**4 / 4,  # u_t = v^3: a speed that depends on the state
        (grad(u).square + grad(v).square) / 2 + (u**2 + v**2) ** 2 / 4,  # Schroedinger: derivatives on both fields
        (1 + u**2) * grad(u).square / 2 + v**2 / 2,  # quasilinear
    ],
)
def test_what_the_estimate_does_not_cover_is_not_claimed(energy: sp.Expr) -> None:
    bracket = lambda F, G: F[u] * G[v] - F[v] * G[u]
    system = System(name="s", domain=plane, fields=(u, v), hamiltonian=energy, bracket=bracket)
    assert not is_semilinear(build_state(system))


def test_an_elliptic_equation_in_time_is_refused() -> None:
    with pytest.raises(StructureError) as refused:
        verdict(
            hamiltonian=grad(u).square / 2 - v**2 / 2 + u**4,
            fields=(u, v),
            bracket=lambda F, G: F[u] * G[v] - F[v] * G[u],
        )
    assert refused.value.law == "well_posed"


def test_growth_of_lower_order_is_no_refusal() -> None:
    """Madelung's fluid is the Schroedinger equation in other variables: its frozen symbol grows where rho_x does not
    vanish, like k beside a principal part of order k^2."""
    line = Lattice(x)
    rho = sp.Function("rho", positive=True)(t, x)
    speed = Field("w", line)
    law = derive(
        System(
            name="fluid",
            domain=line,
            fields=(rho, speed),
            hamiltonian=rho * speed**2 / 2 + rho.diff(x) ** 2 / (8 * rho) + rho**2 / 2,
            bracket=lambda F, G: -F[rho] * G[speed].diff(x) - F[speed] * G[rho].diff(x),
        )
    ).law("well_posed")
    assert law.verdict == "sampled"
    assert "constant states" in law.detail
