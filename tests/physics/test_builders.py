"""The ready-made brackets and metrics keep what they promise."""

from __future__ import annotations

import pytest
import sympy as sp
from zoo import LINE, POINT, field, x

from metrigen import (
    Param,
    SpecError,
    System,
    canonical,
    derive,
    diffusion,
    friction,
    friction_to_heat,
    kulkarni_nomizu,
    momentum,
    projected,
    t,
)

q, p, u = field("q"), field("p"), field("u")
gamma = Param("gamma", nonnegative=True)
H = p**2 / 2 + q.diff(x) ** 2 / 2


def test_canonical_with_friction() -> None:
    system = System("s", LINE, (q, p), hamiltonian=H, bracket=canonical((q, p)), metric=friction(gamma, p))
    equations = derive(system).equations
    assert equations == {q: p, p: q.diff(x, 2) - gamma * p}
    with pytest.raises(SpecError):
        canonical(q, p)


def test_friction_beside_a_lagrangian() -> None:
    lagrangian = u.diff(t) ** 2 / 2 - u.diff(x) ** 2 / 2
    system = System("s", LINE, lagrangian=lagrangian, metric=friction(gamma, momentum(u)))
    assert derive(system).law("metric_psd").verdict == "proved"


def test_friction_to_heat_conserves_energy() -> None:
    e = sp.Function("e", positive=True)(t, x)
    energy = H + e**2 / 2
    metric = friction_to_heat(gamma, p, e, energy, temperature=e)
    system = System("s", LINE, (q, p, e), hamiltonian=energy, entropy=e, bracket=canonical((q, p)), metric=metric)
    derivation = derive(system)
    assert derivation.law("energy_degeneracy").verdict == derivation.law("entropy_degeneracy").verdict == "proved"
    assert derivation.equations[p] == q.diff(x, 2) - gamma * p
    assert derivation.equations[e] == gamma * p**2 / e


def test_diffusion_conserves_the_integral() -> None:
    from metrigen.physics.variation import euler

    kappa = Param("kappa", positive=True)
    system = System("s", LINE, (u,), hamiltonian=u**2 / 2, metric=diffusion(kappa, u))
    rate = derive(system).equations[u]
    assert rate == kappa * u.diff(x, 2)
    assert euler(rate, u) == 0


@pytest.mark.parametrize("build", [kulkarni_nomizu, lambda h, z: projected(h, [(1, v) for v in z])])
def test_energy_degeneracy_by_construction(build) -> None:
    z = [field(f"z{i}", POINT) for i in range(3)]
    energy = z[0] ** 2 / 2 + z[1] ** 4 + sp.exp(z[2])
    system = System("s", POINT, tuple(z), hamiltonian=energy, entropy=z[0] * z[1] + z[2], metric=build(energy, z))
    derivation = derive(system)
    assert derivation.law("energy_degeneracy").verdict == "proved"
    assert derivation.law("metric_psd").verdict == "proved"


def test_kulkarni_nomizu_of_ones_is_the_projector() -> None:
    z = [field(f"z{i}", POINT) for i in range(2)]
    energy = z[0] ** 2 / 2 + z[1] ** 2 / 2
    system = System("s", POINT, tuple(z), hamiltonian=energy, entropy=z[0], metric=kulkarni_nomizu(energy, z))
    assert sp.expand(derive(system).equations[z[0]] - 2 * z[1] ** 2) == 0
