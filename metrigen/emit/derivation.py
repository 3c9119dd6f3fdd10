"""``DERIVATION.md`` and ``metrigen show``: what a paper's appendix would print, from one list of sections."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.discretise.readout import unread_currents
from metrigen.emit.header import origin, rebuild_command
from metrigen.emit.notation import Covectors, covectors_of, latex, text
from metrigen.emit.render import render
from metrigen.emit.rows import WIDTH, wrapped
from metrigen.physics.derivation import Bilinear, Derivation, Law
from metrigen.spec.load import Spec
from metrigen.spec.neural import learned_functions


@dataclass(frozen=True)
class Formula:
    """``left = right``; the left side is written out in both notations, or is an expression itself."""

    left: sp.Expr | tuple[str, str]
    right: Any
    covectors: Covectors = field(default_factory=dict)

    def latex(self) -> str:
        left = self.left[0] if isinstance(self.left, tuple) else latex(self.left)
        return f"{left} = {latex(self.right, self.covectors)}"

    def text(self) -> str:
        left = self.left[1] if isinstance(self.left, tuple) else text(self.left)
        return f"{left} = {text(self.right, self.covectors)}"


@dataclass(frozen=True)
class Section:
    """A title, formulas, and a sentence before them."""

    title: str
    formulas: tuple[Formula, ...]
    note: str = ""


def sections(derivation: Derivation) -> tuple[Section, ...]:
    """The derivation in reading order; what a system does not have is left out."""
    return tuple(section for make in _SECTIONS for section in make(derivation))


def derivation_markdown(
    spec: Spec, derivation: Derivation, laws: Sequence[Law], extra: Sequence[tuple[str, str]] = ()
) -> str:
    """The text of DERIVATION.md.

    laws   those of the continuum and those re-checked for the emitted stencil
    extra  further sections as (title, Markdown): stencils, cost per site
    """
    return render(
        "DERIVATION.md.j2",
        origin=origin(spec),
        rebuild=rebuild_command(spec),
        name=spec.system.name,
        docstring=docstring(spec),
        sections=[
            (section.title, section.note, [formula.latex() for formula in section.formulas])
            for section in sections(derivation)
        ],
        laws=[[_cell(c) for c in (law.name, law.verdict, law.how, _where(law), law.witness)] for law in laws],
        extra=[(title, body.strip("\n")) for title, body in extra],
    )


def _where(law: Law) -> str:
    """The detail of a law; of a conditional one with a state at which it holds."""
    return law.detail + (f"; for example {law.holds_at}" if law.holds_at else "")


def derivation_text(derivation: Derivation, width: int = WIDTH) -> str:
    """The derivation in plain characters, for a terminal: a long formula goes on below, further to the right."""
    blocks = []
    for section in sections(derivation):
        rows = [section.title, *wrapped(section.note, width, "  ")]
        rows += [row for formula in section.formulas for row in wrapped(formula.text(), width, "  ", "      ")]
        blocks.append("\n".join(rows))
    return "\n\n".join(blocks) + "\n"


def docstring(spec: Spec) -> str:
    """What the spec file says of itself."""
    return ast.get_docstring(ast.parse(spec.source)) or ""


def _cell(content: str) -> str:
    """Text that stays inside one cell of a Markdown table."""
    return " ".join(content.replace("|", r"\|").split())


def _functionals(d: Derivation) -> Iterator[Section]:
    system = d.system
    if system.lagrangian is not None:
        yield Section("Lagrangian", (Formula((r"\mathcal{L}", "L"), system.lagrangian),))
        if d.momenta:
            yield Section("Legendre transform", tuple(_velocity(d, u) for u in d.momenta))
    free = system.lagrangian is None and system.bracket is None
    symbol = (r"\mathcal{F}", "F") if free else (r"\mathcal{H}", "H")
    yield Section("Free energy" if free else "Hamiltonian", (Formula(symbol, d.hamiltonian),))
    if system.entropy is not None:
        yield Section("Entropy", (Formula((r"\mathcal{S}", "S"), system.entropy),))
    if system.temperature is not None:
        note = "The metric makes noise as well: dz = (J dH - M dH + T div M) dt + sqrt(2 T M) dW (Ito)."
        yield Section("Temperature", (Formula(("T", "T"), system.temperature),), note)
    if d.constraints:
        residuals = tuple(Formula(("0", "0"), residual) for residual in d.constraints.values())
        yield Section("Constraints", residuals, "They fix the auxiliary fields in every state.")
        multipliers = tuple(
            Formula((rf"\chi_{{{latex(psi)}}}", f"chi_{text(psi)}"), chi) for psi, chi in d.multipliers.items()
        )
        note = "The derivative of the energy is that of H + chi C, with dA/dpsi = 0 on the constraint."
        yield Section("Multipliers", multipliers, note)


def _velocity(d: Derivation, u: AppliedUndef) -> Formula:
    """The velocity of ``u`` in terms of its momentum, beside the definition of the momentum."""
    rate = rf"\partial_{{t}} {latex(u)}"
    definition = rf"{latex(d.momenta[u])} = \partial \mathcal{{L}} / \partial ({rate})"
    return Formula((rf"{definition} \quad\Rightarrow\quad {rate}", f"{text(u)}_t"), d.velocities[u])


def _brackets(d: Derivation) -> Iterator[Section]:
    def density(bracket: Bilinear, left: tuple[str, str]) -> tuple[Formula, ...]:
        return (Formula(left, bracket.form, covectors_of(bracket, d.fields)),)

    if d.bracket is not None:
        yield Section("Poisson bracket", density(d.bracket, (r"\{F, G\}", "{F, G}")), "Density of the bracket.")
    if d.metric is not None:
        yield Section("Dissipative bracket", density(d.metric, ("(F, G)", "(F, G)")), "Density of the bracket.")


def _equations(d: Derivation) -> Iterator[Section]:
    formulas = (Formula((rf"\partial_{{t}} {latex(u)}", f"{text(u)}_t"), d.equations[u]) for u in d.equations)
    yield Section("Equations of motion", tuple(formulas))
    if d.steady_state is not None:
        kind = "linear" if d.steady_state.linear else "nonlinear"
        kind += ", symmetric positive definite" if d.steady_state.spd else ", not known to be positive definite"
        detail = f": {d.steady_state.detail}" if d.steady_state.detail else ""
        yield Section("Steady state", (), f"The equation of the stationary point is {kind}{detail}.")


def _noether(d: Derivation) -> Iterator[Section]:
    if d.stress_energy:
        formulas = tuple(
            Formula((rf"T^{{{latex(mu)}}}{{}}_{{{latex(nu)}}}", f"T[{mu}, {nu}]"), value)
            for (mu, nu), value in d.stress_energy.items()
        )
        yield Section("Stress-energy tensor", formulas, "Mixed canonical components, indexed by the coordinates.")
    coordinates = ("t", *(str(axis) for axis in d.system.domain.axes))
    unread = unread_currents(d)
    for name, current in d.currents.items():
        formulas = tuple(
            Formula((rf"J^{{{mu}}}", f"J[{mu}]"), value) for mu, value in zip(coordinates, current, strict=True)
        )
        note = f"No part of `currents()`: it holds {unread[name]}." if name in unread else ""
        yield Section(f"Noether current of the symmetry {name}", formulas, note)


def _casimirs(d: Derivation) -> Iterator[Section]:
    if d.casimirs:
        formulas = tuple(
            Formula((rf"C_{{\text{{{name}}}}}", f"C[{name}]"), density) for name, density in d.casimirs.items()
        )
        yield Section("Casimirs", formulas, "Densities of functionals that the bracket conserves for any Hamiltonian.")


def _step_limit(d: Derivation) -> Iterator[Section]:
    if d.step_limit is not None:
        names = ", ".join(head.name for head in learned_functions(d.step_limit))
        note = f"At the state where it is smallest; of {names} no more is known." if names else ""
        yield Section("Step limit", (Formula((r"\Delta t_{\max}", "dt_max"), d.step_limit),), note)


_SECTIONS: tuple[Callable[[Derivation], Iterator[Section]], ...] = (
    _functionals, _brackets, _casimirs, _equations, _noether, _step_limit,
)  # fmt: skip
