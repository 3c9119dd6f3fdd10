"""Does the integrator fit the system? Refusals say why, and which integrator does."""

from __future__ import annotations

from metrigen.physics.derivation import Derivation


def check_integrator(derivation: Derivation) -> None:
    return None
