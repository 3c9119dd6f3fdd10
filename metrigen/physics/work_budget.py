"""What the costly steps of a derivation are charged: see ``metrigen.budget``."""

from __future__ import annotations

import sympy as sp

from metrigen import budget
from metrigen.budget import TooLarge, work
from metrigen.budget import WorkBudget as WorkBudget
from metrigen.budget import limited as limited
from metrigen.physics.size import expanded_nodes, expanded_terms, fits, nodes

LAW = 100_000  # operations of one law
LAWS = 120_000  # operations of the laws together: what comes after them has its share of the whole
LARGEST = 100_000  # operations of one step, whoever calls for it
EQUATIONS = 150_000  # operations of the Legendre transform, the brackets and the equations together
LARGE_WRITTEN = 20_000  # nodes beyond which denominators are not multiplied out
_PER_TERM = 2  # operations that a term of an expansion takes


def spend(operations: int, doing: str) -> None:
    """Take operations off the account. Raises TooLarge where it does not hold so many, or where a step is too large for
    any account."""
    if operations > LARGEST:
        raise TooLarge(f"{doing} was called for, {operations} operations, and {LARGEST} are the limit of one step")
    budget.spend(operations, doing)


def spend_on(expr: sp.Basic, times: float, doing: str) -> None:
    """Take off so many operations for every node of an expression; ``doing`` is completed by their number."""
    if not fits(expr, int(LARGEST / times)):
        raise TooLarge(f"{doing} {nodes(expr)} operations was called for, and {LARGEST} are the limit of one step")
    count = nodes(expr)
    spend(int(count * times), f"{doing} {count} operations")


def expand(expr: sp.Expr) -> sp.Expr:
    """The expanded expression. Where its denominators would be copied into very many terms they are left as they are.
    Raises TooLarge before it is written."""
    if not expr.args:
        return expr
    back: dict[sp.Basic, sp.Basic] = {}
    if expanded_nodes(expr) > LARGE_WRITTEN:
        expr, back = _without_denominators(expr)
    terms = expanded_terms(expr)
    spend(expansion(expr, terms), f"an expansion to {terms} terms")
    expanded = sp.expand(expr)
    return expanded.xreplace(back) if back else expanded


def _without_denominators(expr: sp.Expr) -> tuple[sp.Expr, dict[sp.Basic, sp.Basic]]:
    """The expression with a symbol for every power of a sum that stands in a denominator, and the powers themselves."""
    powers = [p for p in expr.atoms(sp.Pow) if p.base.is_Add and p.exp.is_Integer and p.exp.is_negative]
    inner = {q for p in powers for q in p.base.atoms(sp.Pow)}
    outermost = sorted((p for p in powers if p not in inner), key=sp.default_sort_key)
    table = {
        p: sp.Symbol(f"over[{i}]", real=True, positive=p.is_positive, nonnegative=p.is_nonnegative)
        for i, p in enumerate(outermost)
    }
    return expr.xreplace(table), {symbol: p for p, symbol in table.items()}


def expansion(expr: sp.Expr, terms: int) -> int:
    """Operations of an expansion: every term is written, with its denominator and its functions."""
    return _PER_TERM * terms + expanded_nodes(expr) // 4 + work(expr) - nodes(expr)


def count_ops(expr: sp.Expr, most: int) -> int:
    """The operations of an expression as SymPy counts them, or a larger number than ``most`` for a large one."""
    return int(sp.count_ops(expr)) if fits(expr, 3 * most) else 3 * most
