"""Hypothesis against SymPy's own variational calculus, and against structure that is known by construction.

``METRIGEN_LONG=1 pytest tests/physics/test_random_lagrangians.py`` draws a thousand examples each.
"""

from __future__ import annotations

import sympy as sp
from hypothesis import HealthCheck, given, settings
from random_lagrangians import lagrangians, skew_operators
from sympy.calculus.euler import euler_equations
from zoo import LINE, field

from metrigen import MetrigenError, StructureError, System, derive
from metrigen.physics.jets import to_jets
from metrigen.physics.variation import euler_lagrange
from metrigen.physics.zero import is_zero
from tests.lengths import LONG

PROFILE = settings(max_examples=1000 if LONG else 10, suppress_health_check=list(HealthCheck))


@settings(PROFILE)
@given(lagrangians())
def test_equations_equal_those_of_sympy(drawn) -> None:
    lagrangian, fields, _ = drawn
    for u in fields:
        (theirs,) = euler_equations(lagrangian, [u], list(u.args))
        if theirs in (sp.true, sp.false):
            continue
        assert is_zero(to_jets(euler_lagrange(lagrangian, u)) - to_jets(theirs.lhs - theirs.rhs))


@settings(PROFILE)
@given(lagrangians())
def test_hamilton_and_lagrange_give_the_same_motion(drawn) -> None:
    """On solutions of the Hamiltonian equations the Euler-Lagrange expression vanishes."""
    lagrangian, fields, domain = drawn
    try:
        derivation = derive(System("s", domain, lagrangian=lagrangian))
    except MetrigenError:
        return
    for u in fields:
        p = derivation.momenta[u]
        definition = lagrangian.diff(u.diff(u.args[0])).doit()
        velocity = derivation.equations[u]
        assert is_zero(
            to_jets(definition).xreplace({to_jets(w.diff(w.args[0])): to_jets(derivation.equations[w]) for w in fields})
            - to_jets(p)
        )
        assert is_zero(to_jets(velocity) - to_jets(derivation.velocities[u]))


@settings(PROFILE)
@given(skew_operators())
def test_skew_operators_are_proved_and_perturbed_ones_refused(drawn) -> None:
    half, target, order = drawn
    u, v = field("u"), field("v")
    (x,) = LINE.axes
    energy = u**2 + v**2

    def outcome(bracket):
        try:
            return derive(System("s", LINE, (u, v), hamiltonian=energy, bracket=bracket, almost_poisson=True))
        except StructureError as error:
            return error

    skew = lambda F, G: half(F, G) - half(G, F)
    found = outcome(skew)
    law = found.law if isinstance(found, StructureError) else None
    assert law != "antisymmetry"
    if law is None:
        assert found.law("antisymmetry").verdict == "proved"
    spoilt = lambda F, G: skew(F, G) + F[target] * (G[target].diff(x, order) if order else G[target]) / 1000
    refused = outcome(spoilt)
    assert isinstance(refused, StructureError)
    assert refused.law == "antisymmetry"
    assert refused.witness
