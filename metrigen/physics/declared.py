"""What a system uses of what its spec declares: symbols that nobody declared, declarations that nobody uses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.errors import SpecError
from metrigen.spec.domain import Index
from metrigen.spec.functional import AnyFunctional, Dissipation
from metrigen.spec.names import check_name
from metrigen.spec.slips import closest
from metrigen.spec.symbols import InputFunction, Param, t
from metrigen.spec.system import System

_DENSITIES = ("lagrangian", "hamiltonian", "entropy")


def check_declared(system: System, names: Iterable[str] = ()) -> None:
    """Raise SpecError where a plain symbol of SymPy would become a learned parameter.

    ``names``: further declared names, to suggest the one that was meant.
    """
    known = {t, *system.domain.axes}
    declared = {*names, *(s.name for _, e in stated(system) for s in symbols_in(e) if isinstance(s, Param))}
    for part, expr in stated(system):
        for symbol in symbols_in(expr):
            if symbol in known or isinstance(symbol, (Param, Index)) or symbol.name == t.name:
                continue
            check_name(symbol.name, "symbol")  # which is what is wrong with one that nothing can be declared by
            near = closest(symbol.name, (n for n in declared if n != symbol.name), 0.5)
            meant = f"did you mean {near}? A parameter that is learned is" if near else "a parameter that is learned is"
            raise SpecError(
                f"the symbol {symbol} is declared nowhere",
                part=part,
                why=f"{part}= contains it; it is no axis, field, input or parameter of the system",
                fix=f"{meant} {symbol} = Param({symbol.name!r}), a prescribed one Input({symbol.name!r}, domain)",
                see="undeclared-symbol",
            )


def unused(system: System, declared: Mapping[str, object]) -> tuple[str, ...]:
    """The names of declared parameters and inputs that no part of the system holds, in the order of declaration."""
    used: set[str] = set()
    for _, expr in stated(system):
        used |= {s.name for s in symbols_in(expr)} | {f.func.__name__ for f in expr.atoms(InputFunction)}
    return tuple(name for name in declared if name not in used)


def stated(system: System) -> Iterator[tuple[str, sp.Expr]]:
    """The expressions that a system consists of, with the keyword of each. A bracket that cannot be evaluated yet is
    left out: what is wrong with it is told when it is derived."""
    for part in _DENSITIES:
        if getattr(system, part) is not None:
            yield part, getattr(system, part)
    for part in ("bracket", "metric"):
        yield from ((part, e) for e in _of_form(getattr(system, part)))
    yield from (("constraints", e) for e in (system.constraints or {}).values())
    for table in (system.symmetries or {}).values():
        yield from (("symmetries", sp.sympify(q)) for q in table.values())
    yield from (("casimirs", sp.sympify(c)) for c in (system.casimirs or {}).values())
    if system.temperature is not None:
        yield "temperature", sp.sympify(system.temperature)
    if system.dt is not None:
        yield "integrator", sp.sympify(system.dt)
    for read in system.readout if isinstance(system.readout, tuple) else (system.readout,):
        if isinstance(read, sp.Expr):
            yield "readout", read


def _of_form(form: Callable[..., Any] | Dissipation | None) -> list[sp.Expr]:
    if form is None:
        return []
    try:
        value = sp.sympify(form(AnyFunctional("F", ()), AnyFunctional("G", ())))
    except Exception:
        return []
    return [value] if isinstance(value, sp.Expr) else []


def symbols_in(expr: sp.Expr) -> list[sp.Symbol]:
    """The symbols of an expression by name, but for the coordinates that its functions and derivatives are taken at;
    each node is looked at once."""
    found: dict[sp.Symbol, None] = {}
    seen: set[sp.Basic] = set()
    bound: set[sp.Basic] = set()
    stack: list[sp.Basic] = [sp.sympify(expr)]
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        if isinstance(node, sp.Symbol):
            found[node] = None
        elif isinstance(node, sp.Derivative):
            stack.append(node.expr)
        elif not isinstance(node, AppliedUndef):
            stack.extend(a for a in node.args if isinstance(a, sp.Basic))
            bound |= set(getattr(node, "bound_symbols", ()))
    return sorted((s for s in found if s not in bound), key=lambda s: (s.name, str(type(s))))
