"""Parts of a derivation that a notebook shows typeset: still a dict and a tuple to everything else."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

from metrigen.physics.latex import aligned
from metrigen.spec.latex import formula

if TYPE_CHECKING:
    from metrigen.physics.derivation import Law

Columns = ("law", "verdict", "how", "detail", "witness")


# What a law says, for a notebook; the same law of the emitted stencil or graph has a word before its name.
STATEMENTS = {
    "legendre": r"the Lagrangian determines the velocities, and $H(\pi(v)) + L = \pi v$",
    "antisymmetry": r"$\{F, G\} = -\{G, F\}$",
    "jacobi": r"$\{F, \{G, K\}\} + \{G, \{K, F\}\} + \{K, \{F, G\}\} = 0$",
    "metric_symmetry": r"$(F, G) = (G, F)$",
    "metric_psd": r"$(F, F) \ge 0$",
    "energy_degeneracy": r"$(H, G) = 0$ for every $G$: friction does not change the total energy",
    "entropy_degeneracy": r"$\{S, G\} = 0$ for every $G$: the reversible part makes no entropy",
    "noether": "the stress-energy tensor and declared currents obey their conservation laws",
    "fluctuation_dissipation": r"$e^{-H/T}$ stands still under the noise of the metric",
    "volume": r"the volume of phase space is kept, $\log|\det \partial z'/\partial z| = 0$",
    "constraint": "an elliptic constraint determines its auxiliary field",
    "contraction": "two states under the same tokens never move apart",
    "token": "how a token of a matrix memory is computed: by its exponential, or by a splitting and its order",
    "well_posed": "short waves do not grow without bound",
    "learned_function": "what is taken for granted of the modules of learned functions",
}
_PREFIXES = {"lattice_": "on the emitted stencil", "graph_": "of the emitted programs"}


def statement(name: str) -> str:
    """What the law of a name says, as Markdown; nothing for one that the table does not have."""
    for prefix, where in _PREFIXES.items():
        if name.startswith(prefix):
            said = STATEMENTS.get(name.removeprefix(prefix), "")
            return f"{said} {where}" if said else ""
    return STATEMENTS.get(name, "")


class Rates(dict[Any, Any]):
    """field -> d field/dt."""

    def _repr_latex_(self) -> str:
        return _display(self, lambda u: rf"\partial_t {formula(u)}")


class Tensor(dict[Any, Any]):
    """(mu, nu) -> T^mu_nu."""

    def _repr_latex_(self) -> str:
        return _display(self, lambda key: rf"T^{{{formula(key[0])}}}{{}}_{{{formula(key[1])}}}")


class Laws(tuple["Law", ...]):
    """Laws as a table: HTML for a notebook, Markdown for whatever reads that."""

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in Columns)
        rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells(law))}</tr>" for law in self)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"

    def _repr_markdown_(self) -> str:
        rows = [Columns, ("---",) * len(Columns), *map(cells, self)]
        return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows)


def cells(law: Law) -> tuple[str, ...]:
    """The parts of a law in the order of ``Columns``."""
    return law.name, law.verdict, law.how, law.detail, law.witness


def _display(table: dict[Any, Any], head: Callable[[Any], str]) -> str:
    rows = [(head(key), formula(value)) for key, value in table.items()]
    return rf"$\displaystyle {aligned(rows)}$" if rows else ""
