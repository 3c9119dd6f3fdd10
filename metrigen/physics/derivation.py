"""The result of ``derive``: equations, tensors and laws of a system in the continuum, as immutable values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.physics.display import Laws, Rates, Tensor, statement
from metrigen.physics.latex import derivation_latex
from metrigen.spec.system import System

Verdict = Literal["proved", "conditional", "sampled", "failed"]


@dataclass(frozen=True)
class Law:
    """One structure law and what is known of it.

    verdict  "proved"; "conditional" (true where ``detail`` holds); "sampled" (not decided, no counterexample found);
             "failed" (``witness`` shows it)
    how      the method that decided it
    needs    of a conditional law: expressions in jets that are not negative where it holds
    holds_at of a conditional law: a state at which it holds
    """

    name: str
    verdict: Verdict
    how: str
    detail: str = ""
    witness: str = ""
    needs: tuple[sp.Expr, ...] = field(default=(), repr=False)
    holds_at: str = ""

    def inherited(self, name: str, how: str) -> Law:
        """A law that holds where this one does."""
        return Law(name, self.verdict, how, self.detail, "", self.needs, self.holds_at)

    def _repr_markdown_(self) -> str:
        rest = "; ".join(text for text in (self.how, self.detail) if text)
        rows = [f"**{self.name}**: {self.verdict} ({rest})" if rest else f"**{self.name}**: {self.verdict}"]
        rows += [text for text in (statement(self.name), self.witness and f"witness: {self.witness}") if text]
        return "  \n".join(rows)


@dataclass(frozen=True)
class Bilinear:
    """A bracket as a bilinear density in covectors: (F, G) = int form(F[u], G[u], ...) dx.

    left and right hold, in the order of the state, the functions that stand for dF/du and dG/du in ``form``.
    """

    form: sp.Expr
    left: tuple[AppliedUndef, ...]
    right: tuple[AppliedUndef, ...]


@dataclass(frozen=True)
class Structure:
    """What the equations follow from: z_t = {z, H} - (z, H), or + (z, S) with an entropy, which the system has.

    fields         the full state in order: Lagrangian fields, then their momenta; or ``System.fields``
    hamiltonian    density H(z) (for a gradient flow the free energy)
    bracket        Poisson bracket, or None
    metric         dissipative bracket, or None
    constraints    auxiliary field -> residual C, zero in every state (empty without constraints)
    """

    fields: tuple[AppliedUndef, ...]
    hamiltonian: sp.Expr
    bracket: Bilinear | None
    metric: Bilinear | None
    constraints: Mapping[AppliedUndef, sp.Expr] = field(default_factory=dict)

    @property
    def forms(self) -> Mapping[str, Bilinear]:
        """Those of the two brackets that there are, by the part of the system that they are."""
        return {part: b for part, b in (("bracket", self.bracket), ("metric", self.metric)) if b is not None}


@dataclass(frozen=True)
class SteadyStateClass:
    """Whether dF = 0 is a linear equation, and whether its operator is symmetric positive definite.

    detail   what decided it; witness: numbers at which the operator is not positive
    convex   F is strictly convex in every state, so dF = 0 has one solution; ``why_not`` otherwise
    """

    linear: bool
    spd: bool
    detail: str = ""
    witness: str = ""
    convex: bool = False
    why_not: str = ""


@dataclass(frozen=True)
class Derivation:
    """What follows from a system.

    structure      the state, its energy, brackets and constraints; each of them is an attribute here as well
    momenta        field -> conjugate momentum (empty without a Lagrangian)
    velocities     field -> u_t as a function of the state (empty without a Lagrangian)
    equations      field -> d field/dt
    stress_energy  mixed canonical T^mu_nu keyed by coordinate symbols (mu, nu); empty where it is not defined
    currents       name -> (J^t, J^x, ...) of each declared symmetry
    laws           one Law per structure law of the continuum
    steady_state   class of dF = 0 for a metric-only system, else None
    step_limit     largest stable time step of the chosen integrator as an expression, or None
    multipliers    auxiliary field -> chi of its constraint, with dH/dz = E_z(h + chi C)
    casimirs       name -> density of each declared Casimir of the bracket, and of those that were found; an undefined
                   function f in one stands for every function
    sources        nu -> the right side of D_mu T^mu_nu = source on solutions: dissipation and explicit dependence
    """

    system: System
    structure: Structure
    momenta: Mapping[AppliedUndef, AppliedUndef]
    velocities: Mapping[AppliedUndef, sp.Expr]
    equations: Mapping[AppliedUndef, sp.Expr]
    stress_energy: Mapping[tuple[sp.Symbol, sp.Symbol], sp.Expr]
    currents: Mapping[str, tuple[sp.Expr, ...]]
    laws: tuple[Law, ...]
    steady_state: SteadyStateClass | None
    step_limit: sp.Expr | None
    sources: Mapping[sp.Symbol, sp.Expr] = field(default_factory=dict)
    multipliers: Mapping[AppliedUndef, sp.Expr] = field(default_factory=dict)
    casimirs: Mapping[str, sp.Expr] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # The same values, which a notebook shows typeset.
        object.__setattr__(self, "equations", Rates(self.equations))
        object.__setattr__(self, "stress_energy", Tensor(self.stress_energy))
        object.__setattr__(self, "laws", Laws(self.laws))

    @property
    def fields(self) -> tuple[AppliedUndef, ...]:
        return self.structure.fields

    @property
    def hamiltonian(self) -> sp.Expr:
        return self.structure.hamiltonian

    @property
    def bracket(self) -> Bilinear | None:
        return self.structure.bracket

    @property
    def metric(self) -> Bilinear | None:
        return self.structure.metric

    @property
    def constraints(self) -> Mapping[AppliedUndef, sp.Expr]:
        return self.structure.constraints

    @property
    def densities(self) -> tuple[sp.Expr, ...]:
        """What the equations follow from: the energy, the entropy, and the brackets of their two functions."""
        brackets = (b.form for b in self.structure.forms.values())
        return (self.hamiltonian, *(e for e in (self.system.entropy,) if e is not None), *brackets)

    @property
    def expressions(self) -> tuple[sp.Expr, ...]:
        """All that the dynamics reads but the length of a step: the densities, the constraints and the temperature."""
        bath = (e for e in (self.system.temperature,) if e is not None)
        return (*self.densities, *self.constraints.values(), *bath)

    def law(self, name: str) -> Law:
        """The law of that name; raises KeyError if the system has none."""
        for law in self.laws:
            if law.name == name:
                return law
        raise KeyError(name)

    def _repr_latex_(self) -> str:
        return derivation_latex(self)
