"""Laws that say "proved", in numbers: f.J f, f.M f and the growth of short waves at random states of every system."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import sympy as sp

from metrigen import derive
from metrigen.discretise.arrays import dynamics
from metrigen.discretise.base import Discretisation
from metrigen.discretise.lattice_probe import Stencil, applied
from metrigen.physics.derivation import Derivation
from metrigen.physics.growth import Linearised
from metrigen.physics.state import build_state
from metrigen.physics.zero import random_point
from metrigen.spec.domain import Lattice
from tests.gallery.layers import COVERED, spec

_ROUNDING = 1e-9


@cache
def derivation(name: str) -> Derivation:
    """Derived and not compiled: a layer would take longer than the claims."""
    return derive(spec(name).system)


def proved(found: Derivation, name: str) -> bool:
    return any(law.name == name and law.verdict == "proved" for law in found.laws)


@pytest.mark.parametrize("name", COVERED)
def test_brackets_are_skew_and_metrics_positive(name: str) -> None:
    found = derivation(name)
    if not isinstance(found.system.domain, Lattice):
        pytest.skip("graphs and sequences are tried by laws of their own")
    stencil = Stencil.of(dynamics(found))
    for trial, state in enumerate(stencil.states()):
        f = stencil.covector(trial, 1)
        inner = Discretisation.inner
        size = inner(f, f)[0]
        if stencil.bracket is not None and proved(found, "antisymmetry"):
            assert abs(inner(f, applied(stencil.bracket, state, f))[0]) <= _ROUNDING * size * (1 + _largest(state))
        if stencil.metric is not None and proved(found, "metric_psd"):
            assert inner(f, applied(stencil.metric, state, f))[0] >= -_ROUNDING * size


def _largest(state: dict) -> float:
    return max(float(np.abs(value).max()) for value in state.values())


@pytest.mark.parametrize("name", COVERED)
def test_what_is_proved_well_posed_does_not_grow(name: str) -> None:
    found = derivation(name)
    if not proved(found, "well_posed") or not isinstance(found.system.domain, Lattice):
        pytest.skip("nothing is claimed")
    state = build_state(found.system)
    assert state.rates is not None
    auxiliary = () if state.constrained is None else state.constrained.fields
    whole = (*state.rates, *(() if state.constrained is None else state.constrained.residuals))
    linear = Linearised.of(whole, state.fields, auxiliary)
    if linear is None:
        pytest.skip("too large to be linearised")
    points = [random_point(sp.Tuple(*linear.coefficients), seed) for seed in range(10, 14)]
    tried = [trial for point in points if (trial := linear.at(point)) is not None]
    assert not any(trial.grows for trial in tried)
