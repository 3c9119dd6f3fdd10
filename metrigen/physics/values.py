"""Values of expressions in mpmath, from a list of operations in which every distinct subexpression stands once.

SymPy's ``lambdify`` writes Python instead, with a subexpression wherever it is used; to write and compile that takes
ten times as long as the values do. It serves for what the list has no operation for.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import mpmath
import sympy as sp

from metrigen.spec.functions import VALUES

_NAMES = (
    "exp log sin cos tan sec csc cot sinh cosh tanh sech csch coth asin acos atan atan2 asinh acosh atanh erf erfc "
    "loggamma sign polygamma"
).split()
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: getattr(mpmath, name) for name in _NAMES}, "Abs": abs, "Max": max, "Min": min,
    "floor": mpmath.floor, "ceiling": mpmath.ceil, "Heaviside": lambda x, _: _beside(x) > 0,
    "DiracDelta": lambda x, *_: 0 * _beside(x), **VALUES,
    "StrictLessThan": operator.lt, "LessThan": operator.le, "StrictGreaterThan": operator.gt,
    "GreaterThan": operator.ge, "Equality": operator.eq, "Unequality": operator.ne,
    "And": lambda *given: all(given), "Or": lambda *given: any(given), "Not": operator.not_,
}  # fmt: skip
_HALF = sp.Rational(1, 2)
_Step = tuple[Callable[..., Any], tuple[int, ...]]


@dataclass(frozen=True)
class Operations:
    """The values of several expressions: the registers hold the symbols, the constants, then what ``steps`` make of
    earlier ones; ``results`` are those of the expressions."""

    constants: tuple[Any, ...]
    steps: tuple[_Step, ...]
    results: tuple[int, ...]

    def __call__(self, *values: Any) -> list[Any]:
        """The values where the symbols have these. Raises what mpmath raises outside of the domain of a function."""
        made = [*values, *self.constants]
        for function, arguments in self.steps:
            made.append(function(*(made[i] for i in arguments)))
        return [made[i] for i in self.results]


def values_of(symbols: Sequence[sp.Symbol], exprs: Sequence[sp.Expr], digits: int) -> Callable[..., Sequence[Any]]:
    """A function from the values of the symbols to those of the expressions, with constants of so many digits."""
    with mpmath.workdps(digits):
        return _compiled(symbols, exprs) or sp.lambdify(symbols, list(exprs), [VALUES, "mpmath"])


def _compiled(symbols: Sequence[sp.Symbol], exprs: Sequence[sp.Expr]) -> Operations | None:
    """None where a node is of another kind."""
    nodes = _in_order(exprs)
    register: dict[sp.Basic, int] = {s: i for i, s in enumerate(symbols)}
    constants: list[Any] = []
    for node in nodes:
        if not node.args and node not in register:
            value = _constant(node)
            if value is None:
                return None
            register[node] = len(register)
            constants.append(value)
    steps: list[_Step] = []
    for node in nodes:
        if node.args:
            function = _cases(symbols, node) if isinstance(node, sp.Piecewise) else _function(node)
            if function is None:
                return None
            register[node] = len(register)
            steps.append((function, tuple(register[a] for a in _read(symbols, node))))
    return Operations(tuple(constants), tuple(steps), tuple(register[e] for e in exprs))


def _in_order(exprs: Sequence[sp.Expr]) -> list[sp.Basic]:
    """Every distinct subexpression once, after those that it is made of."""
    done: dict[sp.Basic, None] = {}
    stack: list[sp.Basic] = list(reversed(exprs))
    while stack:
        inside = () if isinstance(stack[-1], sp.Piecewise) else stack[-1].args
        missing = [a for a in inside if a not in done] if stack[-1] not in done else []
        if missing:
            stack.extend(reversed(missing))
        else:
            done.setdefault(stack.pop())
    return list(done)


def _read(symbols: Sequence[sp.Symbol], node: sp.Basic) -> Sequence[sp.Basic]:
    """What the step of a node is a function of."""
    if isinstance(node, sp.Piecewise):
        return symbols
    args: Sequence[sp.Basic] = node.args
    return args[:1] if node.is_Pow and node.exp.is_Rational else args


def _cases(symbols: Sequence[sp.Symbol], node: sp.Piecewise) -> Callable[..., Any] | None:
    """A function of the symbols that takes the first case that holds: the others may have no value there."""
    cases: list[tuple[Operations, Operations]] = []
    for case in node.args:
        condition, value = _compiled(symbols, [case.cond]), _compiled(symbols, [case.expr])
        if condition is None or value is None:
            return None
        cases.append((condition, value))

    def chosen(*values: Any) -> Any:
        for condition, value in cases:
            if condition(*values)[0]:
                return value(*values)[0]
        raise ValueError("no case of a Piecewise holds")

    return chosen


def _beside(x: Any) -> Any:
    """What stands in a jump, which has no value at 0."""
    if x == 0:
        raise ValueError("a jump")
    return x


def _constant(node: sp.Basic) -> Any:
    if node in (sp.true, sp.false):
        return bool(node)
    if node.is_Integer:
        return int(node)
    if node.is_Rational:
        return mpmath.mpf(node.p) / node.q
    if node is sp.I:
        return mpmath.mpc(0, 1)
    return node._to_mpmath(mpmath.mp.prec) if node.is_Float or node.is_NumberSymbol else None


def _function(node: sp.Basic) -> Callable[..., Any] | None:
    if node.is_Add:
        return _sum
    if node.is_Mul:
        return _product
    if not node.is_Pow:
        return _FUNCTIONS.get(node.func.__name__)
    exponent = node.exp
    if exponent.is_Integer:
        return _power(int(exponent))
    if exponent in (_HALF, -_HALF):
        return mpmath.sqrt if exponent.is_positive else _over_root
    return _power(mpmath.mpf(exponent.p) / exponent.q) if exponent.is_Rational else _raised


def _sum(first: Any, *rest: Any) -> Any:
    for value in rest:
        first = first + value
    return first


def _product(first: Any, *rest: Any) -> Any:
    for value in rest:
        first = first * value
    return first


def _power(exponent: Any) -> Callable[[Any], Any]:
    return lambda base: mpmath.mpmathify(base) ** exponent


def _over_root(base: Any) -> Any:
    return 1 / mpmath.sqrt(base)


def _raised(base: Any, exponent: Any) -> Any:
    return mpmath.mpmathify(base) ** exponent
