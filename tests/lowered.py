"""The programs of a layer, before passes, from its derivation."""

from __future__ import annotations

from metrigen.physics.derivation import Derivation
from metrigen.programs import Lowered, assembled, discretised


def lower(derivation: Derivation) -> Lowered:
    """Discretise the functionals and vary them; raises SpecError where integrator or readout do not fit."""
    return assembled(derivation, *discretised(derivation))
