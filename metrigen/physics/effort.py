"""How much work a check may do: counted and not timed, so that a verdict is the same on every machine.

One operation is one node of an expression that SymPy differentiates or rewrites, some 50 microseconds. A costly step
says what it is about to do (``spend``) before it does it; where that is more than the caller's account holds
(``limited``), it raises TooLarge instead. The account belongs to the call that opened it, like an argument handed down
to every function below it; nothing of it outlives that call.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import sympy as sp

from metrigen.physics.size import TooLarge, expanded_terms, fits, nodes

LAW = 100_000  # operations of one law
EQUATIONS = 150_000  # operations of the Legendre transform, the brackets and the equations together
LARGEST = 100_000  # operations of one step, whoever calls for it
_PER_TERM = 2  # operations that a term of an expansion takes
_FLAT = 6  # levels of an expression that does not count as nested
_ACCOUNT: ContextVar[Account | None] = ContextVar("account", default=None)


@dataclass
class Account:
    """Operations that are left of ``whole``."""

    whole: int
    left: int

    @property
    def spent(self) -> int:
        return self.whole - self.left


@contextmanager
def limited(operations: int) -> Iterator[Account]:
    """An account for everything that is called inside."""
    account = Account(operations, operations)
    token = _ACCOUNT.set(account)
    try:
        yield account
    finally:
        _ACCOUNT.reset(token)


def spend(operations: int, doing: str) -> None:
    """Take operations off the account. Raises TooLarge where it does not hold so many."""
    if operations > LARGEST:
        raise TooLarge(f"{doing} was called for")
    account = _ACCOUNT.get()
    if account is None:
        return
    if operations > account.left:
        raise TooLarge(f"{doing} was called for after {account.spent} operations, and {account.whole} are the limit")
    account.left -= operations


def spend_on(expr: sp.Basic, times: float, doing: str) -> None:
    """Take off so many operations for every node of an expression; ``doing`` is completed by their number."""
    if not fits(expr, int(LARGEST / times)):
        raise TooLarge(f"{doing} {nodes(expr)} operations was called for")
    count = nodes(expr)
    spend(int(count * times), f"{doing} {count} operations")


def expand(expr: sp.Expr) -> sp.Expr:
    """The expanded expression. Raises TooLarge before it is written."""
    if not expr.args:
        return expr
    terms = expanded_terms(expr)
    spend(expansion(expr, terms), f"an expansion to {terms} terms")
    return sp.expand(expr)


def expansion(expr: sp.Expr, terms: int) -> int:
    """Operations of an expansion: every term is written, and every denominator or argument opened where it stands."""
    return _PER_TERM * terms + nodes(expr) // 4


def count_ops(expr: sp.Expr, most: int) -> int:
    """The operations of an expression as SymPy counts them, or a larger number than ``most`` for a large one."""
    return int(sp.count_ops(expr)) if fits(expr, 3 * most) else 3 * most


class Partials:
    """Partial derivatives of a sum, each from the terms that hold the variable. Raises TooLarge."""

    def __init__(self, expr: sp.Expr) -> None:
        self._terms = [(term, term.free_symbols, _slope_size(term)) for term in sp.Add.make_args(expr)]

    def along(self, symbol: sp.Symbol) -> sp.Expr:
        held = [(term, size) for term, free, size in self._terms if symbol in free]
        count = sum(size for _, size in held)
        spend(count, f"a derivative of {count} operations")
        return sp.Add(*(term.diff(symbol) for term, _ in held))


def _slope_size(term: sp.Expr) -> int:
    """Operations of a derivative: the chain rule writes every level of a nested expression once more."""
    return nodes(term) * max(_FLAT, _depth(term)) // _FLAT


def _depth(expr: sp.Basic) -> int:
    return 1 + max((_depth(a) for a in expr.args), default=0)
