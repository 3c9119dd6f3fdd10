"""``System``: everything a spec states, in one immutable value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.errors import SpecError
from metrigen.spec.contracts import Method, Solver, Stepper
from metrigen.spec.density import density
from metrigen.spec.domain import Domain, Index, Lattice
from metrigen.spec.functional import Dissipation, Functional
from metrigen.spec.latex import formula, name_of, plain
from metrigen.spec.names import check_identifier, check_label, check_system_name
from metrigen.spec.readout import EnergyDensity, Readout
from metrigen.spec.symbols import InputFunction, momentum
from metrigen.spec.temperature import temperature_of

Bracket = Callable[[Functional, Functional], Any]


@dataclass(frozen=True, eq=False)
class System:
    """A metriplectic system: z_t = {z, H} - (z, H), or {z, H} + (z, S) when an entropy S is given.

    name         identifier; the emitted package is ``generated/<name>``
    domain       where the fields live
    fields       the full state of a Hamiltonian spec; may be left out for a Lagrangian one
    lagrangian   density L(u, u_t, u_x, ...); gives the Hamiltonian by Legendre transform
    hamiltonian  density H(z), or the free energy of a gradient flow
    entropy      density S(z), for the two-generator (GENERIC) form
    bracket      Poisson bracket as a callable of two functionals; canonical if a Lagrangian stands alone
    metric       dissipative bracket, a callable of two functionals or a ``Dissipation``
    symmetries   {"name": {field: characteristic Q}}
    casimirs     {"name": density C(z)}, each verified: J dC = 0
    integrator   how time is stepped, or ``SteadyState``
    readout      what the layer reads out; of a matrix memory contract(q, S), or (contract(q, S), energy_density())
    almost_poisson  accept a skew bracket that fails the Jacobi identity
    constraints  {psi: C}: the auxiliary field psi, no part of the state, is fixed by the elliptic equation C = 0
    temperature  of the bath that the metric stands for, a number, ``Param`` or ``Input`` in units of the energy: the
                 metric makes noise too, dz = (J dH - M dH + T div M) dt + sqrt(2 T M) dW (Ito)
    volume_preserving  ask that flow and step keep the volume of phase space, log|det dz'/dz| = 0: proved, or refused
                 where that is not so

    Raises SpecError if the parts do not make a system.
    """

    name: str
    domain: Domain
    fields: tuple[AppliedUndef, ...] | None = None
    lagrangian: sp.Expr | None = None
    hamiltonian: sp.Expr | None = None
    entropy: sp.Expr | None = None
    bracket: Bracket | None = None
    metric: Bracket | Dissipation | None = None
    symmetries: Mapping[str, Mapping[AppliedUndef, sp.Expr]] | None = None
    casimirs: Mapping[str, sp.Expr] | None = None
    integrator: Method | None = None
    readout: Readout | sp.Expr | tuple[sp.Expr, EnergyDensity] | None = None
    almost_poisson: bool = False
    constraints: Mapping[AppliedUndef, sp.Expr] | None = None
    temperature: sp.Expr | None = None
    volume_preserving: bool = False

    def __post_init__(self) -> None:
        check_system_name(self.name)
        if not isinstance(self.domain, Domain):
            fix = "Lattice(x, y), Graph() or Sequence()"
            raise SpecError(f"domain= takes a domain, not {self.domain!r}", part="domain", fix=fix, see="system-parts")
        if self.integrator is not None and not isinstance(self.integrator, Method):
            raise SpecError(
                f"integrator= takes a method, not {self.integrator!r}",
                part="integrator",
                fix="Strang(steps=8, dt=0.1), or SteadyState() for a stationary field",
                see="system-parts",
            )
        if self.fields is not None:
            fields = self.fields if isinstance(self.fields, (tuple, list)) else (self.fields,)
            object.__setattr__(self, "fields", tuple(fields))
        for part in ("lagrangian", "hamiltonian", "entropy"):
            value = getattr(self, part)
            if value is not None:
                object.__setattr__(self, part, density(part, value))
        if (self.lagrangian is None) == (self.hamiltonian is None):
            raise SpecError(
                "a system needs either lagrangian= or hamiltonian=",
                part="lagrangian",
                why="both were given" if self.lagrangian is not None else "neither was given",
                fix="give the Lagrangian density, or the Hamiltonian density (the free energy of a gradient flow)",
                see="system-parts",
            )
        _check_keys("symmetries", self.symmetries, check_identifier)
        _check_keys("casimirs", self.casimirs, check_label)
        if self.constraints:
            object.__setattr__(self, "constraints", _constraints(self))
        if self.entropy is not None and self.metric is None:
            raise SpecError(
                "an entropy needs a metric to produce it",
                part="entropy",
                fix="add metric=, or drop it",
                see="system-parts",
            )
        if self.lagrangian is None and self.bracket is None and self.metric is None:
            raise SpecError(
                "a Hamiltonian alone gives no dynamics",
                part="hamiltonian",
                fix="add bracket= (Hamiltonian dynamics), metric= (gradient flow), or both",
                see="system-parts",
            )
        if self.temperature is not None:
            object.__setattr__(self, "temperature", temperature_of(self))
        if self.volume_preserving:
            _check_volume(self)

    @property
    def on_lattice(self) -> bool:
        """Whether it is discretised on a lattice."""
        return isinstance(self.domain, Lattice)

    @property
    def lattice(self) -> Lattice:
        """The domain of a system that is discretised on a lattice; SpecError for any other."""
        if not isinstance(self.domain, Lattice):
            raise SpecError(
                f"{type(self.domain).__name__}() is no lattice", part="domain", fix="Lattice(x, y)", see="no-integrator"
            )
        return self.domain

    @property
    def stepper(self) -> Stepper:
        """The integrator of a system that is stepped in time; SpecError for any other."""
        if not isinstance(self.integrator, Stepper):
            raise SpecError(
                f"{self.name} is not stepped in time",
                part="integrator",
                fix="Strang(steps=8, dt=0.1)",
                see="no-integrator",
            )
        return self.integrator

    @property
    def solves(self) -> bool:
        """Whether the state is solved for, and not stepped."""
        return isinstance(self.integrator, Solver)

    @property
    def solver(self) -> Solver:
        """The integrator of a system that is solved for; SpecError for any other."""
        if not isinstance(self.integrator, Solver):
            raise SpecError(
                f"{self.name} is not solved for", part="integrator", fix="SteadyState()", see="no-integrator"
            )
        return self.integrator

    @property
    def dt(self) -> sp.Expr | None:
        """The time step; None where nothing is stepped."""
        return self.integrator.dt if isinstance(self.integrator, Stepper) else None

    @property
    def remembers(self) -> bool:
        """Whether it is a matrix memory: fields on a ``Sequence`` with named axes of their own."""
        return self.domain.tokens and any(isinstance(x, Index) for u in self.fields or () for x in _arguments(u))

    @property
    def stated_fields(self) -> tuple[AppliedUndef, ...]:
        """The fields that the system states, before anything is derived: those of a Lagrangian with their momenta."""
        if self.fields is not None:
            return self.fields
        density = self.hamiltonian if self.lagrangian is None else self.lagrangian
        found = sorted(sp.sympify(density).atoms(AppliedUndef), key=sp.default_sort_key)
        own = [u for u in found if not isinstance(u, InputFunction)]
        return tuple(own) if self.lagrangian is None else (*own, *map(momentum, own))

    def _repr_latex_(self) -> str:
        rows = [(r"\mathcal{L}", self.lagrangian), (r"\mathcal{H}", self.hamiltonian), (r"\mathcal{S}", self.entropy)]
        shown = [f"{head} &= {formula(value)}" for head, value in rows if value is not None]
        shown += [f"0 &= {formula(value)}" for value in (self.constraints or {}).values()]
        shown += _bracket_row(r"\{F, G\}", self.bracket, self)
        shown += _bracket_row("(F, G)", self.metric, self)
        if self.temperature is not None:
            shown.append(f"T &= {formula(self.temperature)}")
        if isinstance(self.integrator, Stepper):
            name, steps = type(self.integrator).__name__, self.integrator.steps
            shown.append(rf"&\text{{{name}, {steps} steps of }} {formula(sp.sympify(self.integrator.dt))}")
        elif isinstance(self.integrator, Solver):
            shown.append(rf"&\text{{{type(self.integrator).__name__}, solver {self.integrator.solver}}}")
        return r"$\displaystyle \begin{aligned}" + r" \\ ".join(shown) + r"\end{aligned}$"


def _check_volume(system: System) -> None:
    """Raise SpecError where ``volume_preserving`` asks for what is not decided."""
    if not system.on_lattice:
        what, why = f"{type(system.domain).__name__}() is no lattice", "volume_preserving= is decided on one alone"
    elif system.solves:
        what, why = "volume_preserving= speaks of steps", f"{type(system.integrator).__name__} has none"
    else:
        return
    fix = "drop it, or Lattice(x) and Leapfrog(steps=8, dt=0.1)"
    raise SpecError(what, part="volume_preserving", why=why, fix=fix, see="system-parts")


def _arguments(u: object) -> tuple[sp.Basic, ...]:
    return u.args if isinstance(u, AppliedUndef) else ()


class _Shown(Functional):
    """A functional whose derivatives are typeset as F_u."""

    def __getitem__(self, u: AppliedUndef) -> AppliedUndef:
        return sp.Function(rf"{self.name}_{{{name_of(u)}}}", real=True)(*u.args)


def _bracket_row(head: str, form: Bracket | Dissipation | None, system: System) -> list[str]:
    """A bracket by its density, F_u for dF/du; what cannot be evaluated yet is said to be so."""
    if form is None:
        return []
    state = system.stated_fields
    try:
        density = formula(sp.sympify(form(_Shown("F", state), _Shown("G", state))))
    except Exception as error:  # of the user's own function: a notebook shows the rest
        density = rf"\text{{not evaluated: {plain(type(error).__name__)}}}"
    measure = " ".join(rf"d{formula(x)}" for x in system.domain.axes) if system.domain.continuum else ""
    return [rf"{head} &= \int \left({density}\right) {measure}" if measure else f"{head} &= {density}"]


def _check_keys(part: str, table: object, check: Callable[[object, str], str]) -> None:
    """The names of what a spec declares in a mapping; those of symmetries become names of the emitted code."""
    if table is None:
        return
    if not isinstance(table, Mapping):
        raise SpecError(
            f"{part}= takes a mapping of names, not {table!r}",
            part=part,
            fix=f'{part}={{"name": ...}}',
            see="system-parts",
        )
    for name in table:
        try:
            check(name, part)
        except SpecError as error:
            error.part = part
            raise


def _constraints(system: System) -> Mapping[AppliedUndef, sp.Expr]:
    table = system.constraints
    if not isinstance(table, Mapping) or not all(isinstance(psi, AppliedUndef) for psi in table):
        raise SpecError(
            "constraints= takes {auxiliary field: residual}",
            part="constraints",
            fix="constraints={psi: psi.diff(x, 2) + psi.diff(y, 2) - omega}",
            see="constraints",
        )
    if system.lagrangian is not None:
        raise SpecError(
            "constraints= goes with hamiltonian=, not with lagrangian=",
            part="constraints",
            why="in a Lagrangian a field without velocity is a Lagrange multiplier, and its equation the constraint",
            fix="give hamiltonian=, fields= and bracket=",
            see="constraints",
        )
    return MappingProxyType({psi: density("constraints", value) for psi, value in table.items()})
