"""Auxiliary fields fixed by elliptic constraints: multipliers, fluxes, laws, refusals."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest
import sympy as sp

from metrigen import (
    Dissipation,
    Field,
    Input,
    Lattice,
    MetrigenError,
    Param,
    SpecError,
    StructureError,
    System,
    derive,
    diffusion,
    grad,
    t,
)
from metrigen.emit.derivation import derivation_text
from metrigen.physics.constraints import eliminated, substituted
from metrigen.physics.jets import from_jets, to_jets
from metrigen.physics.state import build_state
from metrigen.physics.variation import euler_jets
from metrigen.physics.zero import is_zero

x, y = sp.symbols("x y", real=True)
plane, line = Lattice(x, y), Lattice(x)
w, psi, chi = (Field(name, plane) for name in ("w", "psi", "chi"))
m, u = Field("m", line), Field("u", line)
kappa = Input("kappa", plane, positive=True)
c = Param("c", positive=True)


def laplacian(f: sp.Expr) -> sp.Expr:
    return f.diff(x, 2) + f.diff(y, 2)


def square(f: sp.Expr, g: sp.Expr) -> sp.Expr:
    return f.diff(x) * g.diff(y) - f.diff(y) * g.diff(x)


def bracket(F, G) -> sp.Expr:
    return w * square(F[w], G[w])


def fluid(hamiltonian: sp.Expr, constraints: Mapping, **parts) -> System:
    return System("fluid", plane, fields=(w,), hamiltonian=hamiltonian, constraints=constraints, **parts)


def same(a: sp.Expr, b: sp.Expr) -> bool:
    return is_zero(to_jets(sp.sympify(a).doit()) - to_jets(sp.sympify(b).doit()))


EULER = {psi: laplacian(psi) - w}
VARIABLE = {psi: sum((kappa * psi.diff(a)).diff(a) for a in (x, y)) - w}
SYSTEMS = {
    "flow energy": (fluid(grad(psi).square / 2, EULER, bracket=bracket), psi),
    "half the circulation": (fluid(-w * psi / 2, EULER, bracket=bracket), psi / 2),
    "variable coefficients": (fluid(kappa * grad(psi).square / 2, VARIABLE, bracket=bracket), psi),
    "screened": (fluid((grad(psi).square + c * psi**2) / 2, {psi: laplacian(psi) - c * psi - w}, bracket=bracket), psi),
    "a constant": (fluid(psi, {psi: laplacian(psi) - c * psi - w}, bracket=bracket), 1 / c),
    "scaled": (fluid(-3 * grad(psi).square / 2, {psi: c * laplacian(psi) - 2 * w}, bracket=bracket), -3 * psi / c),
    "non-quadratic": (fluid(w**3 + grad(psi).square / 2, EULER, bracket=bracket), psi),
    "given multiplier": (fluid(psi**3, {**EULER, chi: laplacian(chi) + 3 * psi**2}, bracket=bracket), chi),
    "gradient flow": (fluid(w**4 + grad(psi).square / 2, EULER, metric=diffusion(1, w)), psi),
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_multiplier(name: str) -> None:
    system, expected = SYSTEMS[name]
    assert same(derive(system).multipliers[psi], expected)


@pytest.mark.parametrize("name", [name for name in SYSTEMS if name != "given multiplier"])
def test_the_derivative_of_the_energy_against_elimination(name: str) -> None:
    """With w = Z(psi) put in, E_psi of h(Z, psi) is the adjoint of Z' on dH/dw: no multiplier is used."""
    state = build_state(SYSTEMS[name][0])
    assert state.constrained is not None
    table = eliminated(state.constrained, state.fields)
    free = euler_jets(substituted(state.hamiltonian, table), psi)
    held = sp.Function("held", real=True)(t, x, y)
    pulled = euler_jets(to_jets(held) * table[w], psi)
    slope = substituted(state.covectors[0], table)
    through = to_jets(from_jets(pulled).subs(held, from_jets(slope)).doit())
    assert is_zero(free - through)


@pytest.mark.parametrize("name", ["flow energy", "half the circulation"])
def test_the_energy_flux_on_solutions(name: str) -> None:
    """D_t T^t_t + D_i T^i_t = 0 once w = lap psi and lap psi_t = w_t are put in."""
    derivation = derive(SYSTEMS[name][0])
    T = derivation.stress_energy
    total = T[t, t].diff(t) + T[x, t].diff(x) + T[y, t].diff(y)
    flow = laplacian(psi)
    total = total.subs(w.diff(t), derivation.equations[w]).subs(w, flow).doit()
    rate = derivation.equations[w].subs(w, flow).doit()
    total = total.subs(psi.diff(x, 2, t), rate - psi.diff(y, 2, t)).doit()
    assert not is_zero(to_jets(rate))
    assert is_zero(to_jets(total))


def test_vorticity() -> None:
    derivation = derive(SYSTEMS["flow energy"][0])
    assert same(derivation.equations[w], -square(psi, w))
    assert derivation.constraints == EULER
    verdicts = {law.name: law.verdict for law in derivation.laws}
    assert verdicts == {
        "constraint": "conditional", "antisymmetry": "proved", "jacobi": "proved", "casimir": "proved",
        "noether": "proved", "well_posed": "sampled",
    }  # fmt: skip
    assert "zero mean" in derivation.law("constraint").detail
    assert "do not see" in derivation.law("constraint").detail
    assert "constraint put in" in derivation.law("noether").how
    assert tuple(derivation.casimirs) == ("int f(w) for every function f",)
    assert derivation.step_limit is None
    text = derivation_text(derivation)
    for piece in ("0 = -w + psi_xx + psi_yy", "chi_psi = psi", "int f(w) for every function f"):
        assert piece in text


def constraint_law(residual: sp.Expr) -> tuple[str, str]:
    law = derive(System("s", line, fields=(m,), hamiltonian=m**2 / 2, constraints={u: residual},
                        bracket=lambda F, G: F[m] * G[m].diff(x))).law("constraint")  # fmt: skip
    return law.verdict, law.how + law.detail


def test_when_the_auxiliary_field_is_determined() -> None:
    assert constraint_law(u - u.diff(x, 2) - m)[0] == "proved"
    assert constraint_law(u.diff(x, 4) + c * u - m)[0] == "proved"
    assert constraint_law(u.diff(x, 2) - m)[0] == "conditional"
    assert constraint_law(u.diff(x, 2) + u - m) == ("conditional", "symbol 1 - k_x**2where the symbol does not vanish")
    assert constraint_law(u.diff(x, 2) - sp.sinh(u) - m)[0] == "sampled"


def elliptic(coefficient: sp.Expr, screening: sp.Expr = sp.S.Zero) -> tuple[str, str]:
    """The law of div(coefficient grad psi) - screening psi = w."""
    residual = sum((coefficient * psi.diff(a)).diff(a) for a in (x, y)) - screening * psi - w
    energy = (coefficient * grad(psi).square + screening * psi**2) / 2
    law = derive(fluid(energy, {psi: residual}, bracket=bracket)).law("constraint")
    return law.verdict, law.detail


def test_constraints_with_variable_coefficients() -> None:
    screen, wall, free = (
        Param("screen", per="site", positive=True),
        Input("wall", plane, nonnegative=True),
        Input("a", plane),
    )
    assert elliptic(kappa, screen)[0] == "proved"
    assert elliptic(kappa, wall) == ("conditional", "wall(x, y) > 0 at some point")
    assert elliptic(kappa)[0] == "conditional"
    assert "do not see" in elliptic(kappa)[1]
    assert elliptic(wall)[0] == elliptic(free, screen)[0] == elliptic(kappa, free)[0] == "sampled"


@pytest.mark.parametrize("seed", range(12))
def test_random_self_adjoint_constraints(seed: int) -> None:
    """L of even order with random coefficients, h = s psi L psi/2 up to divergences: chi = -s psi/r, dH/dw = s psi."""
    source = random.Random(seed)
    a, b, k = (sp.Rational(source.randint(1, 9), source.randint(1, 9)) for _ in range(3))
    s, r = source.choice((c, -c, 2, sp.Rational(-1, 3))), source.choice((1, -2, c))
    operator = a * psi.diff(x, 4) + b * psi.diff(y, 4) - k * laplacian(psi)
    energy = s * (a * psi.diff(x, 2) ** 2 + b * psi.diff(y, 2) ** 2 + k * grad(psi).square) / 2
    found = derive(fluid(energy, {psi: operator - r * w}, bracket=bracket))
    assert same(found.multipliers[psi], -s * psi)
    assert same(found.equations[w], r * s * square(psi, w))
    assert found.law("noether").verdict == "proved"


def test_casimirs() -> None:
    h = sp.Function("h", positive=True)(t, x)
    shallow = System("s", line, fields=(h, u), hamiltonian=h * u**2 / 2 + h**2,
                     bracket=lambda F, G: -F[h] * G[u].diff(x) - F[u] * G[h].diff(x))  # fmt: skip
    assert tuple(derive(shallow).casimirs) == ("int h", "int u")
    korteweg = System("s", line, fields=(u,), hamiltonian=u**3, bracket=lambda F, G: F[u] * G[u].diff(x))
    assert tuple(derive(korteweg).casimirs) == ("int u",)
    assert derive(System("s", line, lagrangian=u.diff(t) ** 2 / 2 - u**2)).casimirs == {}


def test_two_auxiliary_fields_are_one_elliptic_system() -> None:
    v = Field("v", line)
    pair = {u: u.diff(x, 2) - v, v: v.diff(x, 2) - u - m}
    found = derive(System("s", line, fields=(m,), hamiltonian=m**2, constraints=pair,
                          bracket=lambda F, G: F[m] * G[m].diff(x)))  # fmt: skip
    assert (found.law("constraint").verdict, found.law("constraint").how) == ("conditional", "symbol k_x**4 - 1")


def test_ill_posed_equations_are_seen_through_the_constraint() -> None:
    """u_t = -lap(lap psi) is the backward heat equation for lap psi = u; with the other sign it is heat."""
    heat = fluid(grad(psi).square / 2, EULER, metric=Dissipation((1, lambda F: laplacian(F[w]))))
    assert derive(heat).law("well_posed").verdict == "sampled"
    with pytest.raises(StructureError) as refused:
        derive(fluid(-grad(psi).square / 2, EULER, metric=Dissipation((1, lambda F: laplacian(F[w])))))
    assert refused.value.law == "well_posed"
    assert "growth rate" in str(refused.value.witness)


HYPERBOLIC = {psi: psi.diff(x, 2) - psi.diff(y, 2) - w}
FLOW = {"hamiltonian": grad(psi).square / 2, "constraints": EULER}
REFUSED = {
    "no closed multiplier": ({**FLOW, "hamiltonian": psi**3}, "constraints", "chi_psi"),
    "not elliptic": ({"hamiltonian": w**2, "constraints": HYPERBOLIC}, "constraints", "vanishes"),
    "in the state": ({**FLOW, "fields": (w, psi)}, "constraints", "both"),
    "without its field": ({"hamiltonian": w, "constraints": {psi: laplacian(w)}}, "constraints", "does not contain"),
    "a rate": ({"hamiltonian": w, "constraints": {psi: psi.diff(t) - w}}, "constraints", "time derivative"),
    "a stranger": ({"hamiltonian": w, "constraints": {psi: laplacian(psi) - chi}}, "constraints", "no field"),
    "in the bracket": ({**FLOW, "bracket": lambda F, G: psi * square(F[w], G[w])}, "bracket", "auxiliary"),
    "in the entropy": ({**FLOW, "entropy": psi**2, "metric": diffusion(1, w)}, "entropy", "auxiliary"),
    "a symmetry": ({**FLOW, "symmetries": {"shift": {w: w.diff(x)}}}, "symmetries", "constraints="),
    "no mapping": ({"hamiltonian": w, "constraints": [psi]}, "constraints", "takes"),
    "another domain": ({"hamiltonian": w, "constraints": {u: u.diff(x, 2)}}, "u", "another domain"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_teach(name: str) -> None:
    parts, part, words = REFUSED[name]
    with pytest.raises(MetrigenError) as refused:
        derive(System(**{"name": "s", "domain": plane, "fields": (w,), "bracket": bracket, **parts}))
    assert refused.value.part == part
    assert words in str(refused.value)


def test_a_lagrangian_takes_no_constraints() -> None:
    with pytest.raises(SpecError, match="goes with hamiltonian="):
        System("s", plane, lagrangian=w.diff(t) ** 2 / 2, constraints=EULER)
