"""Leapfrog (stub head; the step is written in this file)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from metrigen.integrators.base import TimeStepper


@dataclass(frozen=True)
class Leapfrog(TimeStepper):
    """Leapfrog."""

    order: ClassVar[int] = 2
    keeps: ClassVar[str] = "the symplectic form and time reversal"
