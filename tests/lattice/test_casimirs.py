"""Casimirs of the emitted stencil."""

from __future__ import annotations

import pytest
import sympy as sp

from metrigen import Field, Lattice, System
from metrigen.discretise.lattice_laws import lattice_laws
from metrigen.physics.derivation import Law
from tests.lattice.systems import lattice_dynamics, x, y

pytestmark = pytest.mark.covering


def law(system: System) -> Law:
    return next(law for law in lattice_laws(lattice_dynamics(system)) if law.name == "lattice_casimir")


def kdv(boundary: str) -> System:
    grid = Lattice(x, boundary=boundary)
    u = Field("u", grid)
    return System("s", grid, (u,), hamiltonian=u.diff(x) ** 2 + u**3, bracket=lambda F, G: F[u] * G[u].diff(x))


def test_the_mass_of_kdv_is_kept_on_a_ring_and_lost_through_open_ends() -> None:
    kept = law(kdv("periodic"))
    assert (kept.verdict, kept.how) == ("proved", "J dC = 0 at every site: int u")
    lost = law(kdv("zero"))
    assert "lost: int u" in lost.detail
    assert lost.verdict == "proved"


@pytest.mark.parametrize("declared", [False, True])
def test_central_differences_lose_the_enstrophy(declared: bool) -> None:
    plane = Lattice(x, y)
    w = Field("w", plane)

    def half(F, G):
        return F[w] * (G[w].diff(x) * w.diff(y) - G[w].diff(y) * w.diff(x))

    parts = {"casimirs": {"enstrophy": w**2}} if declared else {}
    system = System(
        "s", plane, (w,), hamiltonian=w**4 / 4 + w**3, bracket=lambda F, G: (half(F, G) - half(G, F)) / 2, **parts
    )
    found = law(system)
    assert "int w" in found.how
    if declared:
        assert found.verdict == "failed"
        assert "enstrophy" in found.witness
    else:
        assert found.verdict in ("proved", "sampled")


def test_a_pointwise_casimir_survives() -> None:
    point = Lattice()
    L = [Field(f"L{i}", point) for i in range(3)]
    spin = lambda F, G: -sp.Matrix(L).dot(sp.Matrix([F[f] for f in L]).cross(sp.Matrix([G[f] for f in L])))
    square = sum(f**2 for f in L)
    system = System("s", point, tuple(L), hamiltonian=L[0] ** 2, bracket=spin, casimirs={"spin": square})
    assert law(system).verdict == "proved"
