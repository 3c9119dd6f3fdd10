"""Cells of a sequence: linear in the state, contracting for every token."""

from __future__ import annotations

import itertools
import random

import mpmath
import pytest
import sympy as sp

from metrigen import (
    RK4,
    Dissipation,
    Field,
    Input,
    MetrigenError,
    Param,
    Sequence,
    SpecError,
    StructureError,
    System,
    canonical,
    derive,
    mix,
    t,
)
from tests.lowered import lower

tokens = Sequence()
q, p = Field("q", tokens), Field("p", tokens)
omega, f = Input("omega", tokens), Input("f", tokens)
lam = Input("lam", tokens, nonnegative=True)
stiff = Input("stiff", tokens, positive=True)
a, g = Param("a", positive=True), Param("g", nonnegative=True)
B = Param("B", shape=("C", "C"), antisymmetric=True)
W = Param("W", shape=("C", "C"))
unit = (q**2 + p**2) / 2


def turn(F, G) -> sp.Expr:
    return omega * (F[q] * G[p] - F[p] * G[q])


damping = Dissipation((lam, lambda F: F[p]))


def cell(hamiltonian: sp.Expr = unit - f * q, bracket=turn, metric=damping, **parts) -> System:
    return System("cell", tokens, fields=(q, p), hamiltonian=hamiltonian, bracket=bracket, metric=metric, **parts)


def test_equations() -> None:
    found = derive(cell())
    assert sp.expand(found.equations[q] - omega * p) == 0
    assert sp.expand(found.equations[p] + omega * (q - f) + lam * p) == 0
    assert omega.args == (t,)
    assert {law.name: law.verdict for law in found.laws} == dict.fromkeys(
        ("antisymmetry", "jacobi", "metric_symmetry", "metric_psd", "contraction", "noether"), "proved"
    )
    assert "|x|" in found.law("contraction").how
    assert "pivots of the matrix" in found.law("contraction").how


def test_the_steps_contract_in_numbers() -> None:
    """The law against exp(A) for random tokens: a product of steps has norm at most one."""
    found = derive(cell())
    A = sp.Matrix([[found.equations[u].diff(z) for z in (q, p)] for u in (q, p)])
    assert A.free_symbols <= {t}
    source = random.Random(1)
    product = mpmath.eye(2)
    for _ in range(20):
        values = {omega: source.uniform(-3, 3), lam: source.uniform(0, 2)}
        product = mpmath.expm(mpmath.matrix(A.subs(values).tolist())) * product
        assert max(mpmath.svd(product, compute_uv=False)) <= 1 + 1e-12


@pytest.mark.parametrize(
    "made",
    [
        cell(hamiltonian=(a * q**2 + p**2) / 2 - f * q, bracket=canonical((q, p))),
        cell(hamiltonian=(a * q**2 + q * p * sp.sqrt(a) + p**2) / 2),
        cell(bracket=lambda F, G: turn(F, G) + F[p] * mix(B, G[p])),
        cell(metric=Dissipation((sp.log(1 + sp.exp(mix(W, f))), lambda F: F[p] - g * F[q]))),
        cell(metric=lambda F, G: lam * (F[p] + F[q]) * (G[p] + G[q]) + g * F[q] * G[q]),
        cell(metric=None),
    ],
    ids=["LinOSS", "skewed norm", "coupled channels", "damping by tokens", "matrix", "rotation"],
)
def test_contractions(made: System) -> None:
    assert derive(made).law("contraction").verdict == "proved"


def test_conditional_contractions() -> None:
    free = Input("free", tokens)
    law = derive(cell(metric=Dissipation((free, lambda F: F[p])))).law("contraction")
    assert law.verdict == "conditional"
    assert "free" in law.detail
    soft = Param("soft", nonnegative=True)
    law = derive(cell(hamiltonian=(soft * q**2 + p**2) / 2)).law("contraction")
    assert (law.verdict, law.detail) == ("conditional", "soft > 0")
    S = Param("S", shape=("C", "C"), symmetric=True)
    law = derive(cell(hamiltonian=(q * mix(S, q) + p**2) / 2)).law("contraction")
    assert law.verdict == "conditional"


def test_a_norm_that_moves_is_refused_with_a_product_that_grows() -> None:
    with pytest.raises(StructureError) as refused:
        derive(cell(hamiltonian=(stiff * q**2 + p**2) / 2, bracket=canonical((q, p))))
    assert refused.value.law == "contraction"
    text = refused.value.witness
    assert "multiplied by" in text
    # The witness is true: its two steps, each stable, have a product that grows.
    first, second = (part.split(" for ") for part in text.split(": ")[0].split(", then "))
    steps = []
    for values, time in (first, second):
        x = {k: float(n) for k, n in (item.split("=") for item in values.split(", "))}
        A = mpmath.matrix([[0, 1], [-x["stiff"], -x["lam"]]])
        step = mpmath.expm(A * float(time))
        assert max(abs(e) for e in mpmath.eig(step, left=False, right=False)) <= 1 + 1e-9
        steps.append(step)
    growth = max(abs(e) for e in mpmath.eig(steps[0] * steps[1], left=False, right=False))
    assert growth > 1.05
    assert f"{float(growth):.2f}" in text


@pytest.mark.parametrize("hamiltonian", [p**2 / 2 - f * q, (p**2 - q**2) / 2, -unit])
def test_an_energy_that_is_no_norm_is_refused(hamiltonian: sp.Expr) -> None:
    with pytest.raises(StructureError) as refused:
        derive(cell(hamiltonian=hamiltonian))
    assert refused.value.law == "contraction"
    assert refused.value.witness


REFUSED = {
    "nonlinear energy": ({"hamiltonian": unit + q**4}, "hamiltonian"),
    "energy of a mixed square": ({"hamiltonian": unit + mix(W, q**2)}, "hamiltonian"),
    "bracket of the state": ({"bracket": lambda F, G: q * turn(F, G)}, "bracket"),
    "metric of the state": ({"metric": Dissipation((q**2, lambda F: F[p]))}, "metric"),
    "entropy": ({"entropy": q, "metric": Dissipation((g, lambda F: (p) * F[q] - (q - f) * F[p])), "bracket": None},
                "entropy"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_linear_is_refused(name: str) -> None:
    parts, part = REFUSED[name]
    with pytest.raises(MetrigenError) as refused:
        derive(cell(**parts))
    assert (refused.value.what, refused.value.part) == ("a Sequence takes linear dynamics", part)


def test_a_sequence_is_no_lattice() -> None:
    """A cell without an integrator derives; what would be stepped on a lattice is refused."""
    with pytest.raises(SpecError) as refused:
        lower(derive(cell()))
    assert "Exponential" in str(refused.value.fix)
    with pytest.raises(SpecError) as refused:
        derive(cell(integrator=RK4(steps=1, dt=0.1)))
    assert refused.value.part == "integrator"


def test_two_cells_in_one_process_do_not_meet() -> None:
    """The same names on a sequence and elsewhere."""
    for first, second in itertools.permutations([cell(), cell(metric=None)]):
        assert derive(first).law("contraction").verdict == derive(second).law("contraction").verdict == "proved"
