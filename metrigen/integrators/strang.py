"""Strang (stub head; the step is written in this file)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from metrigen.integrators.base import TimeStepper


@dataclass(frozen=True)
class Strang(TimeStepper):
    """Strang."""

    order: ClassVar[int] = 2
    keeps: ClassVar[str] = "the exact decay of phase-space volume; the symplectic form and time reversal without friction"
