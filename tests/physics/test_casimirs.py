"""Casimirs: declared ones are verified, the totals among them are found, and the lattice keeps what it can."""

from __future__ import annotations

import pytest
import sympy as sp
from zoo import LINE, POINT, burgers, field, gas, kdv, kdv2, klein_gordon, rigid_body, vorticity, x

from metrigen import Dissipation, SpecError, StructureError, System, derive
from metrigen.emit.derivation import derivation_text

u, v, w = field("u"), field("v"), field("w")
L = [field(f"L{i}", POINT) for i in range(3)]


def spin(F, G):
    return -sp.Matrix(L).dot(sp.Matrix([F[f] for f in L]).cross(sp.Matrix([G[f] for f in L])))


def body(**parts) -> System:
    return System("s", POINT, tuple(L), hamiltonian=sum((i + 1) * f**2 for i, f in enumerate(L)), bracket=spin, **parts)


def test_the_spin_is_a_casimir_and_a_component_is_not() -> None:
    square = sum(f**2 for f in L)
    found = derive(body(casimirs={"spin": square, "function of it": sp.exp(square)}))
    assert found.law("casimir").verdict == "proved"
    assert "spin, function of it" in found.law("casimir").how
    assert found.casimirs["spin"] == square
    assert "C[spin] = " in derivation_text(found)
    with pytest.raises(StructureError, match="'first' is not a Casimir") as refused:
        derive(body(casimirs={"first": L[0]}))
    assert refused.value.law == "casimir"
    assert refused.value.part == "casimirs"
    assert refused.value.witness
    assert not sp.expand(refused.value.residual).is_zero


@pytest.mark.parametrize(
    ("system", "names"),
    [
        (kdv, ["int u"]),
        (burgers, []),
        (kdv2, []),
        (gas, ["int rho", "int s"]),
        (klein_gordon, []),
        (rigid_body, []),
    ],
)
def test_linear_casimirs_are_found(system, names: list[str]) -> None:
    assert list(derive(system()).casimirs) == names


def test_a_combination_in_the_kernel_of_a_constant_bracket_is_found() -> None:
    turn = lambda F, G: (F[u] - F[v]) * (G[w].diff(x) + G[w]) - (G[u] - G[v]) * (F[w].diff(x) + F[w])
    found = derive(System("s", LINE, (u, v, w), hamiltonian=u**2 + v**2 + w**2, bracket=turn))
    assert list(found.casimirs.values()) == [u + v]


def test_the_enstrophy_of_an_ideal_fluid() -> None:
    fluid = derive(vorticity())
    (omega,) = [f for f in fluid.fields if f.func.__name__ in ("omega", "w")]
    assert derive(vorticity(casimirs={"enstrophy": omega**2})).law("casimir").verdict == "proved"


def test_a_metric_that_changes_a_casimir_is_told() -> None:
    bracket = lambda F, G: F[u] * G[u].diff(x)
    told = lambda A: derive(System("s", LINE, (u,), hamiltonian=u**2, bracket=bracket, metric=Dissipation((1, A)))).law(
        "casimir"
    )
    assert told(lambda F: F[u]).detail == "the metric changes int u"
    assert told(lambda F: F[u].diff(x)).detail == "conserved by the metric as well"


def test_a_gradient_flow_has_none() -> None:
    with pytest.raises(SpecError, match="needs a bracket"):
        derive(System("s", LINE, (u,), hamiltonian=u**2, metric=Dissipation((1, lambda F: F[u])), casimirs={"m": u}))
