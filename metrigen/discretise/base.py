"""What a discretisation is: one class for every domain, and all that the rest of the compiler asks of it.

A functional E[z] = int e(z, D z) becomes a sum, E_h(z) = sum_n e_h(z)_n, and everything else follows from that sum and

    <f, g> = sum_n f_n g_n            the inner product over sites, samples and channels: a site has volume one
    <dE/dz, w> = d/ds E_h(z + s w)    the gradient, in units of density over field
    <A'(z)^T w, v> = <w, A'(z) v>     the adjoint of a program A

so that no difference is transposed by hand, and no equation discretised.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, TypeAlias

import numpy as np
import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.discretise.elliptic import Equation
from metrigen.errors import SpecError
from metrigen.ir.nodes import Array, Offset, Program
from metrigen.passes.vary import vary
from metrigen.physics.derivation import Derivation, Law
from metrigen.spec.contracts import Method, Stepper
from metrigen.spec.domain import Domain
from metrigen.spec.readout import EnergyDensity, Readout, StressEnergy
from metrigen.spec.symbols import t
from metrigen.spec.system import System

if TYPE_CHECKING:
    from metrigen.discretise.dynamics import Dynamics
    from metrigen.discretise.graph_steady import GraphSteady
    from metrigen.discretise.steady_programs import LinearSteady, NonlinearSteady
    from metrigen.integrators.memory import Memory
    from metrigen.integrators.scan import Scan

    # What a method makes of the dynamics: one step, state, inputs and parameters -> the state after it; dF = 0 to be
    # solved on a lattice or a graph; or the programs of a token.
    Made: TypeAlias = Program | LinearSteady | NonlinearSteady | GraphSteady | Scan | Memory


@dataclass(frozen=True)
class Discretisation(ABC):
    """Densities of one system as programs of arrays, one value a site.

    arrays     functions and coordinates -> array
    params     arrays of the parameters that are numbers, vectors or matrices of channels
    equations  of the auxiliary fields, which are solved for wherever they are read

    domain     the domain that it discretises
    readouts   what ``readout=`` may be, beside None for the fields themselves
    unshown    why ``metrigen show`` has no stencils and no waves of it; empty where it has
    along_edges  whether programs hold maps between nodes and edges, not offsets of a site
    emitted    what of it the ``laws`` are about, in a word
    """

    arrays: Mapping[sp.Basic, Array]
    params: tuple[Array, ...]
    equations: Mapping[AppliedUndef, Equation] = field(default_factory=dict, kw_only=True)

    domain: ClassVar[type[Domain]]
    readouts: ClassVar[tuple[type[Readout], ...]] = (StressEnergy, EnergyDensity)
    unshown: ClassVar[str] = ""
    along_edges: ClassVar[bool] = False
    emitted: ClassVar[str] = "stencil"

    # Of a system, before its arrays are named ----------------------------------------------------------------------

    @classmethod
    @abstractmethod
    def of(
        cls, derivation: Derivation, arrays: Mapping[sp.Basic, Array], given: Iterable[Array], params: tuple[Array, ...]
    ) -> Discretisation:
        """The discretisation of a system; of ``arrays`` those in ``given`` are no fields."""

    @classmethod
    def check_readout(cls, system: System) -> None:
        """Raise SpecError for a readout that has no form on the domain."""
        if system.readout is not None and not isinstance(system.readout, cls.readouts):
            raise SpecError(
                f"unknown readout {system.readout!r}",
                part="readout",
                fix="stress_energy() or energy_density()",
                see="readout",
            )

    @classmethod
    def check_input(cls, f: AppliedUndef, system: System) -> None:
        """Raise SpecError for an input that the layer cannot be handed."""
        if t in f.args and system.solves:
            raise SpecError(
                f"the input {f} depends on the time, and a steady state has none",
                part=f.func.__name__,
                why="a solve finds the one state that inputs and parameters lead to; it takes no steps",
                fix=f"Input({f.func.__name__!r}, domain), and one call of the layer for every moment",
                see="steady-time",
            )

    @classmethod
    def check_cost(cls, system: System) -> None:
        """Raise SpecError where ``metrigen show`` does not count the operations of a layer."""
        return

    @classmethod
    def with_step(cls, derivation: Derivation) -> Derivation:
        """The derivation with its time step as programs have it: a number becomes the symbol ``dt``, so that a module
        can be given another one."""
        integrator = derivation.system.integrator
        if not isinstance(integrator, Stepper) or not integrator.dt.is_number:
            return derivation
        symbol = sp.Symbol("dt", positive=True)
        return replace(derivation, system=replace(derivation.system, integrator=integrator.with_dt(symbol)))

    @classmethod
    def method_sentences(cls, derivation: Derivation, steps: str, limits: Sequence[str]) -> list[str]:
        """What the method of a system does on the domain; ``steps`` and ``limits`` speak of dt, where there is one."""
        method = derivation.system.integrator
        assert method is not None
        return [method.summary(derivation), *([steps, *limits] if isinstance(method, Stepper) else [])]

    # Programs ------------------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def origin(self) -> Offset:
        """The offset of a site from itself: one zero an axis along which neighbours are read."""

    @property
    def periodic(self) -> bool:
        """Whether every site has its neighbours; else what is read outside is zero."""
        return True

    @property
    def inputs(self) -> tuple[Array, ...]:
        return (*self.arrays.values(), *self.params)

    @abstractmethod
    def with_covectors(self, arrays: Mapping[sp.Basic, Array]) -> Discretisation:
        """The same with further arrays, in which every functional is linear."""

    @abstractmethod
    def functional(self, name: str, density: sp.Expr, part: str = "hamiltonian") -> Program:
        """The densities e_h of a functional, to be varied: the sum of all outputs over all places is E_h."""

    @abstractmethod
    def sites(self, name: str, densities: Mapping[str, sp.Expr], part: str = "readout") -> Program:
        """Densities at the sites, one output each, to be read: their sums are those of ``functional``."""

    @abstractmethod
    def gradient(self, name: str, density: sp.Expr, wrt: tuple[str, ...], part: str = "hamiltonian") -> Program:
        """dE/dz for the arrays ``wrt``: outputs ``bar(array)``."""

    def adjoint(self, program: Program, constants: Sequence[str] = ()) -> Program:
        """The program w -> A'(z)^T w: a cotangent ``bar(y)`` for every output y more to read, outputs ``bar(x)`` for
        every input x, zero for ``constants``."""
        return vary(program, [a.name for a in program.inputs], rank=len(self.origin), constants=constants)

    @staticmethod
    def inner(f: Mapping[str, np.ndarray], g: Mapping[str, np.ndarray]) -> tuple[float, float]:
        """<f, g>, and the sum of the sizes of its terms, by which rounding is judged."""
        products = [f[name] * g[name] for name in f]
        return sum(float(p.sum()) for p in products), sum(float(np.abs(p).sum()) for p in products)

    # A layer -------------------------------------------------------------------------------------------------------

    def programs(self, method: Method, dynamics: Dynamics) -> Made:
        """What a method makes of the dynamics; raises SpecError where that has no form on the domain."""
        return method.programs(dynamics)

    @abstractmethod
    def solve(self, dynamics: Dynamics, solver: str) -> Made:
        """dF = 0 as programs of a solve; raises SpecError where a solver has none."""

    @abstractmethod
    def diagnostics(self, derivation: Derivation) -> dict[str, Program]:
        """Further values that a layer gives: tensor, currents or fluxes."""

    @abstractmethod
    def laws(self, dynamics: Dynamics, made: Made) -> tuple[Law, ...]:
        """The laws once more, of what is emitted; raises StructureError, with a witness, where one is broken that must
        hold."""
