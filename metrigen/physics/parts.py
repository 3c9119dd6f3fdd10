"""A derivation cut in two: what its bracket does alone, and what its metric does alone."""

from __future__ import annotations

from dataclasses import replace

from metrigen.physics.derivation import Derivation
from metrigen.spec.contracts import Method


def bracket_part(derivation: Derivation, integrator: Method) -> Derivation:
    """z_t = J dH: no metric, and no entropy, which the bracket leaves alone."""
    system = replace(derivation.system, metric=None, entropy=None, integrator=integrator)
    return replace(derivation, system=system, structure=replace(derivation.structure, metric=None))


def metric_part(derivation: Derivation, integrator: Method) -> Derivation:
    """z_t = -M dH, or M dS with an entropy."""
    system = replace(derivation.system, bracket=None, integrator=integrator)
    structure = replace(derivation.structure, bracket=None)
    return replace(derivation, system=system, structure=structure, momenta={})
