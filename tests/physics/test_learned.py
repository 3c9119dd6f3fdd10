"""Learned functions in the continuum: what is derived with a free V is what is derived with any V written out."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest
import sympy as sp
from zoo import LINE, PLANE, POINT, field, x

from metrigen import (
    RK4,
    Dissipation,
    ExplicitEuler,
    Input,
    NeuralFunction,
    Param,
    SpecError,
    SteadyState,
    Strang,
    StructureError,
    System,
    derive,
    diffusion,
    grad,
    mix,
    momentum,
    t,
)
from metrigen.emit.derivation import derivation_text
from metrigen.emit.notation import latex
from metrigen.physics.derivation import Derivation
from metrigen.physics.jets import Jet, to_jets
from metrigen.physics.zero import Zero, zero_test
from metrigen.spec.neural import learned, learned_functions

phi, psi, u = field("phi", PLANE), field("psi", PLANE), field("u")
K = Param("K", shape=("C", "C"), symmetric=True)
gamma, c2 = Param("gamma", nonnegative=True), Param("c2", positive=True)
a, b = sp.symbols("a b", real=True)
QUARTIC = ((a,), a**4 / 4 - a**2 / 3 + a)
PRODUCT = ((a, b), a**2 * b + b**3 * a / 2)


def written_out(expr: sp.Expr, table: dict[str, tuple[tuple[sp.Symbol, ...], sp.Expr]]) -> sp.Expr:
    """The expression with learned functions and their derivatives replaced by given ones, from the inside out."""
    if not expr.args:
        return expr
    if isinstance(expr, sp.Derivative):
        return expr
    if isinstance(expr, learned):
        variables, value = table[expr.head.name]
        for variable, order in zip(variables, expr.head.orders, strict=True):
            value = value.diff(variable, order)
        inside = [written_out(argument, table) for argument in expr.arguments]
        return value.xreplace(dict(zip(variables, inside, strict=True)))
    return expr.func(*(written_out(argument, table) for argument in expr.args))


def wave(potential: sp.Expr, **parts: object) -> System:
    lagrangian = phi.diff(t) ** 2 / 2 - c2 * grad(phi).square / 2 - potential
    friction = lambda F, G: gamma * F[momentum(phi)] * G[momentum(phi)]
    return System("wave", PLANE, lagrangian=lagrangian, metric=friction, **parts)


def flow(energy: sp.Expr, mobility: sp.Expr, **parts: object) -> System:
    return System("flow", LINE, fields=(u,), hamiltonian=energy, metric=diffusion(mobility, u), **parts)


def rotor(potential: sp.Expr) -> System:
    lagrangian = (phi.diff(t) ** 2 + psi.diff(t) ** 2 - grad(phi).square - grad(psi).square) / 2 - potential
    return System("rotor", PLANE, lagrangian=lagrangian, symmetries={"turn": {phi: -psi, psi: phi}})


def massive(mass: sp.Expr) -> System:
    return System("massive", PLANE, lagrangian=mass * phi.diff(t) ** 2 / 2 - phi**2 / 2)


TRUTHS = {
    "potential": (lambda V: wave(V(phi)), QUARTIC),
    "of a sum with a coupling": (lambda V: wave(V(phi * c2 + mix(K, phi))), QUARTIC),
    "of a gradient": (lambda V: wave(V(grad(phi).square)), QUARTIC),
    "coupled to itself": (lambda V: wave(V(V(phi)) * phi), QUARTIC),
    "two arguments": (lambda V: rotor(V(phi**2 + psi**2, phi**2 + psi**2)), PRODUCT),
    "radial": (lambda V: rotor(V(phi**2 + psi**2)), QUARTIC),
    "energy": (lambda V: flow(V(u) + u.diff(x) ** 2 / 2, 1 + u**2), QUARTIC),
    "mobility": (lambda V: flow(u**4 / 4 + u.diff(x) ** 2 / 2, V(u)), QUARTIC),
    "differentiated": (lambda V: flow(u**2, V(u).diff(u).diff(u)), QUARTIC),
    "mass": (lambda V: massive(V(phi)), ((a,), 2 + sp.cos(a))),
}


@pytest.mark.parametrize("name", TRUTHS)
def test_derivation_with_any_function(name: str) -> None:
    make, (variables, value) = TRUTHS[name]
    free = derive(make(lambda *args: NeuralFunction("V", *args)))
    explicit = derive(make(lambda *args: value.xreplace(dict(zip(variables, map(sp.sympify, args), strict=True)))))
    table = {"V": (variables, value)}
    pairs = [(free.hamiltonian, explicit.hamiltonian)]
    pairs += [(free.equations[z], explicit.equations[z]) for z in free.fields]
    pairs += [(free.stress_energy[k], explicit.stress_energy[k]) for k in free.stress_energy]
    pairs += [(free.sources[k], explicit.sources[k]) for k in free.sources]
    pairs += [(p, q) for n in free.currents for p, q in zip(free.currents[n], explicit.currents[n], strict=True)]
    assert free.fields == explicit.fields
    for mine, truth in pairs:
        assert zero_test(to_jets(written_out(mine, table) - truth))
    assert any(e.has(learned) for e in free.equations.values())


def test_the_equations_hold_derivatives_by_name() -> None:
    V = NeuralFunction("V", phi)
    d = derive(wave(V, integrator=Strang(steps=1, dt=0.1)))
    slope = V.diff(phi)
    assert str(slope) == "V'(phi(t, x, y))"
    assert d.equations[momentum(phi)].has(slope)
    assert d.step_limit == 2 / sp.sqrt(8 * c2 + slope.diff(phi))
    assert str(V.diff(phi, 4)) == "V^(4)(phi(t, x, y))"
    assert "dt_max = 2/sqrt(8*c2 + V''(phi))" in derivation_text(d)
    assert "of V no more is known" in derivation_text(d)
    W = NeuralFunction("W", phi, psi)
    assert str(W.diff(phi).diff(psi, 2)) == "W^(1,2)(phi(t, x, y), psi(t, x, y))"
    assert latex(W.diff(psi) ** 2) == r"\left(W^{(0,1)}\left(\phi, \psi\right)\right)^{2}"
    assert V.diff(x) == slope * phi.diff(x)


# The test of zero -----------------------------------------------------------------------------------------------

p, q = to_jets(phi), to_jets(psi)


def V(*arguments: sp.Expr) -> sp.Expr:
    """V of expressions in jets."""
    (head,) = learned_functions(NeuralFunction("V", *([phi] * len(arguments))))
    return learned(head, *arguments)


ZERO = {
    "chain rule": V((p + q) ** 2).diff(p) - V((p + q) ** 2).diff(q),
    "expansion inside": V((p + q) ** 2) - V(p**2 + 2 * p * q + q**2),
    "algebra inside": V(1 / (1 + p) + 1 / (1 - p)) - V(2 / (1 - p**2)),
    "nested": V(V((p + q) ** 2)) - V(V(p**2 + 2 * p * q + q**2)),
    "squares": (V(p) + q) ** 2 - V(p) ** 2 - 2 * q * V(p) - q**2,
}
NOT_ZERO = {
    "another argument": V(p) - V(q),
    "a derivative": V(p).diff(p) - V(p),
    "as if linear": V(p + q) - V(p) - V(q),
    "as if even": V(p) - V(-p),
    "as if quadratic": V(p).diff(p, 3),
    "other derivative": V(p, q).diff(p) - V(p, q).diff(q),
    "swapped": V(p, q) - V(q, p),
    "a field that reads like a derivative": V(Jet(u, (0, 2))) - V(to_jets(field("u_xx"))),
}


@pytest.mark.parametrize("name", ZERO)
def test_zero_for_every_function(name: str) -> None:
    assert zero_test(ZERO[name]) == Zero(True, "expansion")


def test_arguments_that_are_equal_at_points_only() -> None:
    difference = V(sp.sin(p + q)) - V(sp.sin(p) * sp.cos(q) + sp.cos(p) * sp.sin(q))
    assert zero_test(difference) == Zero(True, "points")


@pytest.mark.parametrize("name", NOT_ZERO)
def test_not_zero_for_some_function(name: str) -> None:
    assert not zero_test(NOT_ZERO[name])


# Laws -----------------------------------------------------------------------------------------------------------


def laws(system: System) -> Derivation:
    return derive(replace(system, integrator=ExplicitEuler(steps=1, dt=0.01)))


def test_a_mobility_of_free_sign_is_a_condition() -> None:
    d = laws(flow(u**2 / 2, NeuralFunction("M", u)))
    assert d.law("metric_psd").verdict == "conditional"
    assert d.law("metric_psd").detail == "M(u(t, x)) >= 0"
    assert d.law("well_posed").verdict == "conditional"
    assert d.law("well_posed").detail == "no growth found where M(u) >= 0"
    assert "M(u)=-" in d.law("well_posed").witness


@pytest.mark.parametrize("sign", ["positive", "nonnegative"])
def test_a_declared_sign_is_kept_by_construction(sign: str) -> None:
    d = laws(flow(u**2 / 2, NeuralFunction("M", u, **{sign: True})))
    assert d.law("metric_psd").verdict == "proved"
    # A mobility that may vanish makes the flow degenerate.
    assert d.law("well_posed").verdict == ("proved" if sign == "positive" else "sampled")
    assert d.law("learned_function").verdict == "conditional"
    assert "M = softplus(module) > 0 by construction" in d.law("learned_function").detail
    assert str(d.step_limit) == "1/(2*M(u(t, x)))"


def test_a_convex_energy_is_a_condition_too() -> None:
    free, convex = (laws(flow(NeuralFunction("W", u, convex=c), sp.S.One)) for c in (False, True))
    assert free.law("well_posed").verdict == "conditional"
    assert free.law("well_posed").detail == "no growth found where W''(u) >= 0"
    assert convex.law("well_posed").verdict == "sampled"
    assert convex.law("well_posed").detail.endswith("with W convex as declared")
    assert "W'' >= 0 (declared convex, kept by nothing)" in convex.law("learned_function").detail
    W = NeuralFunction("W", u, convex=True)
    weighted = laws(System("w", LINE, fields=(u,), hamiltonian=u**2 / 2,
                           metric=Dissipation((W.diff(u, 2), lambda F: F[u]))))  # fmt: skip
    assert weighted.law("metric_psd").verdict == "conditional"
    assert weighted.law("metric_psd").detail == "W''(u(t, x)) >= 0 (W declared convex)"


def test_a_sign_that_is_wrong_for_every_function_is_refused() -> None:
    with pytest.raises(StructureError) as refused:
        laws(flow(u**2 / 2, -NeuralFunction("M", u, positive=True)))
    assert refused.value.law == "metric_psd"
    assert "M(u)=" in str(refused.value.witness)


def test_a_free_sign_is_never_refused() -> None:
    for energy in (NeuralFunction("W", u), -NeuralFunction("W", u)):
        assert laws(flow(energy, sp.S.One)).law("well_posed").verdict == "conditional"


def test_an_energy_that_is_concave_by_its_declaration_is_refused() -> None:
    """Every module that keeps the declaration W'' >= 0 gives a backward heat equation."""
    with pytest.raises(StructureError) as refused:
        laws(flow(-NeuralFunction("W", u, convex=True), sp.S.One))
    assert refused.value.law == "well_posed"
    assert "W''(u)=" in str(refused.value.witness)


def test_a_symmetry_that_the_potential_lacks_is_refused() -> None:
    with pytest.raises(StructureError) as refused:
        derive(rotor(NeuralFunction("V", phi**2 + 2 * psi**2)))
    assert refused.value.law == "noether"


def test_a_mass_must_not_vanish() -> None:
    assert derive(massive(NeuralFunction("m", phi))).law("legendre").verdict == "conditional"
    assert derive(massive(NeuralFunction("m", phi, positive=True))).law("legendre").verdict == "proved"


def test_smoothness_is_one_more_derivative_than_the_equations_hold() -> None:
    assert "V is elementwise and of class C^2" in derive(wave(NeuralFunction("V", phi))).laws[-1].detail
    assert (
        "W is elementwise and of class C^4"
        in laws(flow(NeuralFunction("W", u), sp.S.One)).law("learned_function").detail
    )
    assert not any(law.name == "learned_function" for law in derive(wave(phi**2)).laws)


# Errors ---------------------------------------------------------------------------------------------------------

REFUSED = {
    "no identifier": (lambda: NeuralFunction("V'", phi), "not an identifier"),
    "a name of the module": (lambda: NeuralFunction("forward", phi), "reserved in torch"),
    "the time step": (lambda: NeuralFunction("dt", phi), "the layer has an argument of that name"),
    "nothing": (lambda: NeuralFunction("V"), "it has no argument"),
    "a number": (lambda: NeuralFunction("V", c2), "holds no field and no input"),
    "a gradient": (lambda: NeuralFunction("V", grad(phi)), "not a real scalar expression"),
    "complex": (lambda: NeuralFunction("V", sp.I * phi), "not a real scalar expression"),
    "convex in two": (lambda: NeuralFunction("V", phi, psi, convex=True), "a function of one argument"),
    "two arities": (
        lambda: derive(wave(NeuralFunction("V", phi) + NeuralFunction("V", phi, phi**2))),
        "the learned function V of 2 arguments and the learned function V of 1 argument",
    ),
    "two signs": (
        lambda: derive(wave(NeuralFunction("V", phi) + NeuralFunction("V", 2 * phi, positive=True))),
        "of 1 argument (positive)",
    ),
    "the name of a parameter": (lambda: derive(wave(c2 * NeuralFunction("gamma", phi))), "two different symbols"),
    "a steady state": (
        lambda: derive(System("s", LINE, fields=(u,), metric=Dissipation((1, lambda F: F[u])), integrator=SteadyState(),
                              hamiltonian=u**2 / 2 + NeuralFunction("s", Input("w", LINE)) * u)),
        "an operator cannot hold a module: s",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    make, text = REFUSED[name]
    with pytest.raises(SpecError) as refused:
        make()
    assert text in str(refused.value)
    assert refused.value.fix


def test_a_velocity_inside_is_refused() -> None:
    with pytest.raises(StructureError) as refused:
        derive(System("v", POINT, lagrangian=NeuralFunction("T", field("q", POINT).diff(t))))
    assert refused.value.law == "legendre"


def test_a_value_like_any_other() -> None:
    made = NeuralFunction("V", phi, psi).diff(phi)
    assert pickle.loads(pickle.dumps(made)) == made
    assert made == NeuralFunction("V", phi, psi).diff(phi)
    assert made != NeuralFunction("V", phi, psi, positive=True).diff(phi)
    assert made.free_symbols == {t, *PLANE.axes}
    assert NeuralFunction("V", phi, positive=True).is_positive
    assert NeuralFunction("V", phi, positive=True).diff(phi).is_positive is None


def test_any_integrator_of_a_right_hand_side() -> None:
    assert derive(wave(NeuralFunction("V", phi), integrator=RK4(steps=1, dt=0.1))).equations
