"""What a part of a spec fulfils for the compiler to take it; each part keeps its own rules."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from metrigen.errors import SpecError
from metrigen.spec.domain import Domain, Graph, Lattice

if TYPE_CHECKING:
    import sympy as sp

    from metrigen.discretise.base import Made
    from metrigen.discretise.dynamics import Dynamics
    from metrigen.integrators.memory import Memory
    from metrigen.integrators.scan import Scan
    from metrigen.physics.derivation import Derivation
    from metrigen.physics.limits import VonNeumann


class Method(ABC):
    """How the state of a system is found: it is stepped in time, or solved for. ``System.integrator`` is one.

    order      classical order of accuracy in dt; None where nothing is stepped
    keeps      what is conserved exactly, in words
    symmetric  a step of -dt undoes a step of dt, where there is no dissipation
    domains    the domains that it runs on
    edges      it takes a metric along the edges of a graph
    implicit   a step is the solution of an equation
    fluctuates it makes the noise of a metric at a temperature
    restores   law of the stencil -> how the method keeps it although the dynamics of the stencil does not
    """

    order: ClassVar[int | None]
    keeps: ClassVar[str]
    symmetric: ClassVar[bool] = False
    domains: ClassVar[tuple[type[Domain], ...]] = (Lattice, Graph)
    edges: ClassVar[bool] = False
    implicit: ClassVar[bool] = False
    fluctuates: ClassVar[bool] = False
    restores: ClassVar[Mapping[str, str]] = MappingProxyType({})

    def check(self, derivation: Derivation) -> None:
        """Raise SpecError or StructureError, with the way out, where the method does not fit the system.

        A class that does not state what it handles handles nothing: a part of the dynamics that a method does not
        know would be missing from its steps, and no one would be told.
        """
        raise self._unstated("a step", "check")

    def _unstated(self, step: str, check: str) -> SpecError:
        name = type(self).__name__
        return SpecError(
            f"{name} does not say which systems it fits",
            part="integrator",
            why="a method that is not checked could leave out a part of the dynamics without a word",
            fix=f"give class {name} a {check}(self, derivation) that raises SpecError for what {step} does not hold, "
            "or derive it from the method whose check it shares",
            see="own-method",
        )

    def check_token(self, derivation: Derivation) -> None:
        """``check`` on a ``Sequence``: a token takes the exact step of linear dynamics, whatever ``programs`` makes."""
        raise self._unstated("a token", "check_token")

    def step_limit(self, analysis: VonNeumann) -> sp.Expr | None:
        """The largest stable time step, from the von Neumann analysis of the system; None where none is known."""
        return None

    @abstractmethod
    def programs(self, dynamics: Dynamics) -> Made:
        """What the layer runs, of the discretised dynamics: one step, or a solve."""

    def token_programs(self, dynamics: Dynamics) -> Scan | Memory:
        """``programs`` on a ``Sequence``: those of a token."""
        raise self._unstated("a token", "check_token")

    @abstractmethod
    def summary(self, derivation: Derivation) -> str:
        """One sentence: what the method is, and what it keeps of this system or when it stops."""


class Stepper(Method):
    """A method that takes ``steps`` steps of size ``dt``."""

    steps: int
    dt: sp.Expr

    @abstractmethod
    def with_dt(self, dt: sp.Expr) -> Stepper:
        """The same method with another step."""

    @abstractmethod
    def is_reversible(self, derivation: Derivation) -> bool:
        """Whether a step of -dt undoes a step of dt, in exact arithmetic and without amplifying rounding."""

    @abstractmethod
    def kept(self, derivation: Derivation) -> str:
        """What a step conserves of this system."""

    def summary(self, derivation: Derivation) -> str:
        return f"{type(self).__name__}: order {self.order}, keeps {self.kept(derivation)}."


class Solver(Method):
    """A method that solves dF = 0: nothing is stepped.

    solver, rtol, atol, max_iter  the start of what a layer may be told for a call
    """

    solver: str
    rtol: float
    atol: float
    max_iter: int

    order: ClassVar[None] = None

    def summary(self, derivation: Derivation) -> str:
        name = type(self).__name__
        return f"{name}, solver {self.solver}: stops at a relative residual of {self.rtol:g}."
