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
