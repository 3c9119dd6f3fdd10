"""Verdicts that may not be weaker, or stronger, than the truth: families of specs made to be misjudged."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sympy as sp
import zoo
from hypothesis import given, settings
from hypothesis import strategies as st
from zoo import LINE, PLANE, POINT, SPACE, field, x, y, z

from metrigen import (
    Dissipation,
    Field,
    Input,
    Lattice,
    NeuralFunction,
    Param,
    StructureError,
    System,
    derive,
    friction,
    grad,
    mix,
    t,
)
from metrigen.physics import tensor
from metrigen.physics.conditions import Conditions
from metrigen.physics.derivation import Derivation, Law
from metrigen.physics.signs import sign_of
from metrigen.physics.work_budget import limited
from tests.lengths import LONG

u, v, w = field("u"), field("v"), field("w", PLANE)
h = sp.Function("h", positive=True)(t, x)
FREE, GAMMA, C2 = Param("d"), Param("gamma", nonnegative=True), Param("c2", positive=True)


def flow(energy: sp.Expr, *terms, fields=(u,), domain: Lattice = LINE, **parts) -> System:
    return System("s", domain, fields, hamiltonian=energy, metric=Dissipation(*terms), **parts)


def slope(weight: sp.Expr, f=u):
    return weight, lambda F: F[f].diff(x)


# Ill-posed at every state at which the metric is one ------------------------------------------------------------------

HOT = {
    "mobility u": lambda: flow(-(u**3) / 6, slope(u)),
    "mobility u, of fourth order": lambda: flow(-(u.diff(x) ** 2) / 2, slope(u**3)),
    "mobility of free sign": lambda: flow(-(u**2) / 2, slope(FREE)),
    "mobility 1 - u^2": lambda: flow(-(u**2) / 2, slope(1 - u**2)),
    "mobility above ten": lambda: flow(-(u**2) / 2, slope(u - 10)),
    "mobility u_x^2, zero at constant states": lambda: flow(-(u**2) / 2, slope(u.diff(x) ** 2)),
    "learned mobility": lambda: flow(-(u**2) / 2, slope(NeuralFunction("M", u))),
    "learned energy beside it": lambda: flow(-(u.diff(x) ** 2) + NeuralFunction("V", u), (1, lambda F: F[u])),
    "channel matrix": lambda: System(
        "s",
        LINE,
        (u,),
        hamiltonian=-(u**2) / 2,
        metric=lambda F, G: F[u].diff(x) * mix(Param("S", shape=("C", "C"), symmetric=True), G[u].diff(x)),
    ),
    "entropy u log u": lambda: flow(u, slope(1), entropy=u * sp.log(u)),
    "entropy u log u, mobility u": lambda: flow(u, slope(u), entropy=u * sp.log(u)),
    "two fields": lambda: flow(-(u**2) - v**2, slope(u), slope(v, v), fields=(u, v)),
    "in two dimensions": lambda: flow(-(grad(w).square) / 2, (w, lambda F: F[w]), fields=(w,), domain=PLANE),
}


@pytest.mark.parametrize("name", HOT)
def test_what_is_ill_posed_wherever_its_metric_is_one_is_refused(name: str) -> None:
    with pytest.raises(StructureError) as refused:
        derive(HOT[name]())
    assert refused.value.law == "well_posed"
    assert "growth rate" in refused.value.witness


COLD = {
    "mobility u": (lambda: flow(u**2 / 2, slope(u)), "u(t, x) >= 0"),
    "mobility of free sign": (lambda: flow(u**2 / 2, slope(FREE)), "d >= 0"),
    "mobility 1 - u^2": (lambda: flow(u**2 / 2, slope(1 - u**2)), "1 - u(t, x)**2 >= 0"),
    "mobility above ten": (lambda: flow(u**2 / 2, slope(u - 10)), "u(t, x) - 10 >= 0"),
    "double well": (lambda: flow((u**2 - 1) ** 2, slope(1)), "not at every state"),
    "free sign in the energy": (lambda: flow(FREE * u.diff(x) ** 2, (1, lambda F: F[u])), "not at every state"),
}


@pytest.mark.parametrize("name", COLD)
def test_a_condition_that_some_state_meets_is_no_refusal(name: str) -> None:
    make, where = COLD[name]
    law = derive(make()).law("well_posed")
    assert law.verdict == "conditional"
    assert where in law.detail
    assert law.holds_at
    assert law.witness


def test_no_state_meets_two_conditions() -> None:
    with pytest.raises(StructureError, match="positive at no state") as refused:
        derive(flow(u**2, (u - 3, lambda F: F[u]), (-u, lambda F: F[u].diff(x))))
    assert refused.value.law == "metric_psd"
    window = derive(flow(u**2, (u - 10, lambda F: F[u]), (11 - u, lambda F: F[u].diff(x)))).law("metric_psd")
    assert window.verdict == "conditional"
    assert 10 <= float(window.holds_at.removeprefix("u=")) <= 11


q = field("q", POINT)
CONDITIONAL = {
    "polar": lambda: System("s", POINT, lagrangian=q**2 * q.diff(t) ** 2 / 2),
    "relativistic": lambda: System("s", POINT, lagrangian=-sp.sqrt(1 - q.diff(t) ** 2)),
    "quartic": lambda: System("s", POINT, lagrangian=q.diff(t) ** 4 / 4),
    "weight": lambda: flow(u**2, (1 - u**2, lambda F: F[u])),
    "bounded parameter": lambda: flow(u**2, (Param("b", positive=True, below=0.05) - u, lambda F: F[u])),
    "channel matrix": lambda: System(
        "s",
        LINE,
        (u,),
        hamiltonian=u**2 / 2,
        metric=lambda F, G: F[u] * mix(Param("S", shape=("C", "C"), symmetric=True), G[u]),
    ),
    "wave": lambda: System(
        "s",
        LINE,
        (u, v),
        hamiltonian=v**2 / 2 + u.diff(x) ** 2 / 2 + u.diff(x) ** 3,
        bracket=lambda F, G: F[u] * G[v] - F[v] * G[u],
    ),
    "learned": lambda: flow(NeuralFunction("W", u, convex=True), slope(NeuralFunction("M", u))),
    **{name: make for name, (make, _) in COLD.items()},
}


@pytest.mark.parametrize("name", CONDITIONAL)
def test_every_condition_is_met_by_the_state_that_is_named(name: str) -> None:
    found = [law for law in derive(CONDITIONAL[name]()).laws if law.verdict == "conditional"]
    assert found
    for law in found:
        assert law.holds_at, law
        if law.needs:
            assert Conditions.of(law.needs).hold(_read(law)), law


def _read(law: Law) -> dict[sp.Symbol, sp.Expr]:
    values = dict(pair.split("=") for pair in law.holds_at.split(", "))
    symbols = Conditions.of(law.needs).symbols.free_symbols
    from metrigen.physics.jets import label

    return {s: sp.Float(values[label(s)], 40) for s in symbols}


# The line that is to blame -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (
            lambda: System(
                "s",
                LINE,
                lagrangian=u.diff(t) ** 2 / 2 + u.diff(x) ** 2 / 2,
                metric=friction(GAMMA, sp.Function("pi_u", real=True)(t, x)),
            ),
            "lagrangian",
        ),
        (lambda: flow(-(u.diff(x) ** 2), (1, lambda F: F[u])), "hamiltonian"),
        (lambda: flow(u, slope(1), entropy=u**2), "entropy"),
    ],
)
def test_a_wrong_sign_is_blamed_on_the_part_that_has_it(make: Callable[[], System], part: str) -> None:
    with pytest.raises(StructureError) as refused:
        derive(make())
    assert (refused.value.law, refused.value.part) == ("well_posed", part)


@pytest.mark.parametrize("make", [zoo.heat, zoo.allen_cahn, zoo.cahn_hilliard], ids=lambda make: make.__name__)
def test_a_sign_that_is_turned_round_is_seen(make: Callable[[], System]) -> None:
    """A mutation of a sound flow: the energy negated is ill-posed, the metric negated is no metric."""
    sound = make()
    parts = {"domain": sound.domain, "fields": sound.fields, "metric": sound.metric}
    with pytest.raises(StructureError) as refused:
        derive(System("s", hamiltonian=-sound.hamiltonian, **parts))
    assert refused.value.law == "well_posed"
    metric = sound.metric
    turned = (
        Dissipation(*((-weight, factor) for weight, factor in metric.terms))
        if isinstance(metric, Dissipation)
        else lambda F, G: -metric(F, G)
    )
    with pytest.raises(StructureError) as refused:
        derive(System("s", hamiltonian=sound.hamiltonian, **{**parts, "metric": turned}))
    assert refused.value.law == "metric_psd"


# Steady states -------------------------------------------------------------------------------------------------------

NODES = [field(f"u{i}", POINT) for i in range(5)]
WEIGHTS = {(i, j): Param(f"w{i}{j}", positive=True) for i in range(5) for j in range(i)}
M = Param("m", positive=True)
SPRINGS = sum(k * (NODES[i] - NODES[j]) ** 2 for (i, j), k in WEIGHTS.items()) / 2
SOURCE = sum(Input(f"s{i}", POINT) * n for i, n in enumerate(NODES))


def classified(energy: sp.Expr) -> Derivation:
    return derive(System("s", POINT, tuple(NODES), hamiltonian=energy - SOURCE, metric=friction(1, *NODES)))


@pytest.mark.parametrize("rewrite", [lambda e: e, sp.expand], ids=["written", "expanded"])
def test_a_weighted_graph_written_as_equations_is_positive_definite(rewrite: Callable[[sp.Expr], sp.Expr]) -> None:
    mass = M * sum(n**2 for n in NODES) / 2
    assert classified(rewrite(SPRINGS + mass)).steady_state.spd
    assert classified(rewrite(SPRINGS + M * NODES[2] ** 2 / 2)).steady_state.spd  # one node pinned holds them all


def test_a_graph_that_nothing_pins_is_semi_definite() -> None:
    floating = classified(SPRINGS).steady_state
    assert (floating.linear, floating.spd) == (True, False)
    assert "semi-definite" in floating.detail


def test_squares_that_leave_a_direction_free_are_not_definite() -> None:
    a, b, c, *rest = NODES
    held = M * (a - b) ** 2 + M * (b - c) ** 2 + sum(M * n**2 for n in rest)
    assert not classified(held).steady_state.spd
    assert not classified(held + M * (a - c) ** 2).steady_state.spd
    assert classified(held + M * (a - 2 * c) ** 2).steady_state.spd


# Signs ---------------------------------------------------------------------------------------------------------------

A, B, C = sp.symbols("A B C", real=True)
P, Q = sp.symbols("P Q", positive=True)


@pytest.mark.parametrize(
    "expr",
    [
        A**2 - 2 * A * B + sp.Rational(11, 10) * B**2,
        A**2 - 2 * A * B + B**2,
        A**2 + B**2 + C**2 - A * B - B * C - C * A,
        (P - Q) / (sp.log(P) - sp.log(Q)),
        -3 * (2 * Q - 2 * P) / sp.log(P / Q),
        (sp.log(P) - sp.log(Q)) / (P - Q) * (A**2 + A + 1),
        (P * A**2 * C**2 + P * C**4) / (A**2 + B**2),
    ],
)
def test_signs_by_structure(expr: sp.Expr) -> None:
    sign = sign_of(expr)
    assert sign.holds
    assert not sign.by_points


@given(st.lists(st.integers(-4, 4), min_size=6, max_size=6))
@settings(max_examples=40 if LONG else 12, deadline=None)
def test_the_sign_of_a_quadratic_form_is_that_of_its_eigenvalues(c: list[int]) -> None:
    form = c[0] * A**2 + c[1] * B**2 + c[2] * C**2 + c[3] * A * B + c[4] * B * C + c[5] * C * A
    matrix = sp.hessian(form, (A, B, C))
    minors = [matrix.extract(rows, rows).det() for k in (1, 2, 3) for rows in _subsets(k)]
    assert sign_of(form).holds == all(m >= 0 for m in minors)


def _subsets(k: int) -> list[list[int]]:
    return [[i for i in range(3) if bits >> i & 1] for bits in range(8) if bin(bits).count("1") == k]


def metric_law(metric, fields, energy=None) -> Law:
    energy = sum(f**2 for f in fields) if energy is None else energy
    return derive(System("s", POINT, tuple(fields), hamiltonian=energy, metric=metric)).law("metric_psd")


def test_metrics_that_are_sums_of_squares() -> None:
    S = sp.Matrix([field(f"S{i}", POINT) for i in range(3)])
    a = Param("a", positive=True)

    def damping(F, G) -> sp.Expr:
        f, g = (sp.Matrix([side[s] for s in S]) for side in (F, G))
        return a * S.cross(f).dot(S.cross(g))

    assert metric_law(damping, S).verdict == "proved"
    assert metric_law(lambda F, G: sp.expand(damping(F, G)), S).verdict == "proved"
    n1, n2 = (sp.Function(n, positive=True)(t) for n in ("n1", "n2"))
    mean = (n1 - n2) / (sp.log(n1) - sp.log(n2))
    reaction = Dissipation((a * mean, lambda F: F[n1] - F[n2]))
    assert metric_law(reaction, (n1, n2), n1 * sp.log(n1) + n2 * sp.log(n2)).verdict == "proved"


# Constraints, tensors, currents --------------------------------------------------------------------------------------


def test_a_triangular_pair_of_constraints_is_solved_one_after_the_other() -> None:
    m, psi, chi = field("m"), field("psi"), field("chi")
    laws = {}
    for name, source in (("quadratic", psi**2 / 2), ("variable", h * psi)):
        pair = {psi: psi - psi.diff(x, 2) - m, chi: chi - chi.diff(x, 2) + source}
        system = System("s", LINE, (m, h) if name == "variable" else (m,), hamiltonian=m**2, constraints=pair,
                        bracket=lambda F, G: F[m] * G[m].diff(x))  # fmt: skip
        laws[name] = derive(system).law("constraint").verdict
    assert set(laws.values()) == {"proved"}
    both = {psi: psi - psi.diff(x, 2) - m + chi**2, chi: chi - chi.diff(x, 2) + psi**2}
    system = System("s", LINE, (m,), hamiltonian=m**2, constraints=both, bracket=lambda F, G: F[m] * G[m].diff(x))
    assert derive(system).law("constraint").verdict == "sampled"


def test_a_tensor_is_kept_where_its_identity_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """The components are written down; only their check outgrows the account."""
    axes, fields = (x, y, z), [field(f"U{i}", SPACE) for i in range(3)]
    energy = sum(f.diff(a) ** 2 for f in fields for a in axes)
    lagrangian = sum(f.diff(t) ** 2 for f in fields) / 2 - energy
    whole = derive(System("s", SPACE, lagrangian=lagrangian))
    monkeypatch.setattr(tensor, "limited", lambda operations: limited(600))
    law, kept = (lambda d: (d.law("noether"), d.stress_energy))(derive(System("s", SPACE, lagrangian=lagrangian)))
    assert (len(kept), law.verdict) == (16, "sampled")
    assert "not decided for" in law.detail
    assert dict(kept) == dict(whole.stress_energy)


def test_a_tensor_of_fields_on_a_line() -> None:
    phi = Field("phi", LINE)
    tensor_ = derive(System("s", LINE, lagrangian=phi.diff(t) ** 2 / 2 - phi.diff(x) ** 2 / 2)).stress_energy
    assert sp.expand(tensor_[t, t] - phi.diff(t) ** 2 / 2 - phi.diff(x) ** 2 / 2) == 0
