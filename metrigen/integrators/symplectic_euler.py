"""SymplecticEuler (stub head; the step is written in this file)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from metrigen.integrators.base import TimeStepper


@dataclass(frozen=True)
class SymplecticEuler(TimeStepper):
    """SymplecticEuler."""

    order: ClassVar[int] = 1
    keeps: ClassVar[str] = "the symplectic form"
