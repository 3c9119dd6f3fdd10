"""``SteadyState``: the stationary point dF = 0 of a dissipative system, solved instead of stepped."""

from __future__ import annotations

from dataclasses import dataclass

from metrigen.errors import SpecError

SOLVERS = ("cg", "monotone")


@dataclass(frozen=True)
class SteadyState:
    """Solve dF = 0.

    solver    "cg": conjugate gradient, error small in norm. "monotone": the fixed point u <- (s + sum w u_nb)/(m2 +
              sum w), free of cancellation, so every site is accurate relative to its own value, however small
    rtol      stop at ||r|| <= max(rtol ||s||, atol), per sample (monotone: relative change of every site <= rtol)
    atol      absolute floor of the same test
    max_iter  iterations after which a sample is given up and reported in the status
    """

    solver: str = "cg"
    rtol: float = 1e-6
    atol: float = 0.0
    max_iter: int = 1000

    def __post_init__(self) -> None:
        if self.solver not in SOLVERS:
            raise SpecError(
                f"unknown solver={self.solver!r}", part="integrator", fix="one of " + ", ".join(map(repr, SOLVERS))
            )
        if not (0 < self.rtol < 1) or self.atol < 0 or not isinstance(self.max_iter, int) or self.max_iter < 1:
            raise SpecError("SteadyState needs 0 < rtol < 1, atol >= 0 and max_iter >= 1", part="integrator")
