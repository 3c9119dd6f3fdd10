"""What a layer reads out of the state."""

from __future__ import annotations

from dataclasses import dataclass

from metrigen.errors import SpecError

NORMALISATIONS = (None, "amplitude")


@dataclass(frozen=True)
class StressEnergy:
    """The canonical stress-energy tensor T^{mu nu} at every site.

    normalise=None         raw components T00, T0i, Tij (i <= j)
    normalise="amplitude"  of degree one in the fields: a = sqrt(T00 + eps), then T0i/a, (T11 - T22)/2a, T12/a
    """

    normalise: str | None = None


@dataclass(frozen=True)
class EnergyDensity:
    """The energy density at every site; its sum over sites and channels is the energy."""


Readout = StressEnergy | EnergyDensity


def stress_energy(normalise: str | None = None) -> StressEnergy:
    if normalise not in NORMALISATIONS:
        raise SpecError(f"unknown normalise={normalise!r}", part="readout", fix='None or "amplitude"', see="readout")
    return StressEnergy(normalise)


def energy_density() -> EnergyDensity:
    return EnergyDensity()
