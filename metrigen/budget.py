"""How much work a compilation may do: counted and not timed, so that a verdict is the same on every machine.

One operation is one node of an expression that SymPy differentiates or rewrites, some 50 microseconds. A costly step
says what it is about to do (``spend``) before it does it; where that is more than the caller's account holds
(``limited``), it raises TooLarge instead. Accounts stand in one another: what an inner one pays is taken off the outer
ones as well, so that a build as a whole has one budget. An account belongs to the call that opened it, like an argument
handed down to every function below it; nothing of it outlives that call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

import sympy as sp

from metrigen.errors import SpecError

DERIVE = 250_000  # operations of a derivation as a whole
BUILD = 1_000_000  # operations of a build as a whole, its derivation among them
DEEPEST = 100  # levels of an expression: SymPy walks down every one of them by calls inside calls
_FACTORS = 5  # of a product that are printed in the time of one operation
_FUNCTION = 8  # operations of a function beside the one of its node
T = TypeVar("T")
_ACCOUNT: ContextVar[WorkBudget | None] = ContextVar("account", default=None)
_STAGE: ContextVar[str] = ContextVar("stage", default="")


class TooLarge(SpecError):
    """A step of the compilation of an extreme spec outgrew its limit. Laws that meet it are ``sampled``; where nothing
    can be said without it the spec is refused. ``short`` says what was called for."""

    def __init__(self, short: str, part: str | None = None) -> None:
        stage = _STAGE.get()
        super().__init__(
            "an expression became too large to be derived in seconds",
            part=part,
            why=f"in the stage {stage!r} {short}" if stage else short,
            fix="use fewer fields, fewer terms, fewer or lower derivatives inside functions, a bracket of lower order, "
            "or a method with fewer stages",
        )
        self.short = short


@dataclass
class WorkBudget:
    """Operations that are left of ``whole``; ``outer`` pays for them too."""

    whole: int
    left: int
    outer: WorkBudget | None = None

    @property
    def spent(self) -> int:
        return self.whole - self.left


@contextmanager
def limited(operations: int) -> Iterator[WorkBudget]:
    """An account for everything that is called inside."""
    account = WorkBudget(operations, operations, _ACCOUNT.get())
    token = _ACCOUNT.set(account)
    try:
        yield account
    finally:
        _ACCOUNT.reset(token)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """The stage of the compilation that a refusal names."""
    token = _STAGE.set(name)
    try:
        yield
    finally:
        _STAGE.reset(token)


def spend(operations: int, doing: str) -> None:
    """Take operations off the account and those around it. Raises TooLarge where one does not hold so many."""
    chain: list[WorkBudget] = []
    account = _ACCOUNT.get()
    while account is not None:
        if operations > account.left:
            spent, whole = account.spent, account.whole
            raise TooLarge(f"{doing} was called for after {spent} operations, and {whole} are the limit")
        chain.append(account)
        account = account.outer
    for one in chain:
        one.left -= operations


# Sizes -----------------------------------------------------------------------------------------------------------


def folded(expr: sp.Basic, value: Callable[[sp.Basic, list[T]], T]) -> T:
    """What is worked out of an expression from its arguments, every distinct subexpression once, without recursion."""
    known: dict[sp.Basic, T] = {}
    stack = [(expr, False)]
    while stack:
        node, ready = stack.pop()
        if ready:  # its arguments have been worked out
            known[node] = value(node, [known[a] for a in node.args])
        elif node not in known:
            stack.append((node, True))
            stack += [(a, False) for a in node.args if a not in known]
    return known[expr]


def nodes(expr: sp.Basic) -> int:
    """The number of nodes of an expression as a tree."""
    return folded(expr, lambda _, parts: 1 + sum(parts))


def work(expr: sp.Basic) -> int:
    """Operations of an expression that is differentiated or rewritten: its nodes, and more for every distinct function,
    whose argument SymPy searches for signs, periods and special values whenever it writes it."""
    written: list[sp.Basic] = []

    def count(node: sp.Basic, parts: list[int]) -> int:
        if isinstance(node, sp.Function):
            written.append(node)
        return 1 + sum(parts)

    return folded(expr, count) + _FUNCTION * len(written)


def printed(expr: sp.Basic) -> int:
    """Operations of an expression that is emitted: its work, and of its powers the factors of the products they become,
    which are text alone."""
    powers = (p.exp for p in expr.atoms(sp.Pow) if p.exp.is_Integer)
    return work(expr) + sum(abs(int(n)) for n in powers) // _FACTORS


def fits(expr: sp.Basic, most: int) -> bool:
    """At most so many nodes?"""
    return nodes(expr) <= most


def depth(expr: sp.Basic) -> int:
    """The number of levels of an expression."""
    return folded(expr, lambda _, parts: 1 + max(parts, default=0))


def check_depth(expr: sp.Basic, part: str) -> None:
    """Raises SpecError where functions of functions go on deeper than SymPy can follow."""
    levels = depth(expr)
    if levels > DEEPEST:
        raise too_deep(part, f"{part}= has {levels} levels of functions, sums and products inside one another, "
                       f"{DEEPEST} are the limit")  # fmt: skip


@contextmanager
def shallow(part: str | None = None) -> Iterator[None]:
    """Tells a recursion that went too deep as what it is: an expression that is nested too deeply."""
    try:
        yield
    except RecursionError as error:
        raise too_deep(part, "its derivatives go down more levels than Python has calls inside calls") from error


def too_deep(part: str | None, why: str) -> SpecError:
    return SpecError(
        "an expression is nested too deeply",
        part=part,
        why=why,
        fix="use a shorter composition, or learn it: a NeuralFunction is one level",
        see="too-large",
    )
