"""RK4 (stub head; the step is written in this file)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from metrigen.integrators.base import TimeStepper


@dataclass(frozen=True)
class RK4(TimeStepper):
    """RK4."""

    order: ClassVar[int] = 4
    keeps: ClassVar[str] = "nothing"
