"""What the symbols of a system are: its state, its inputs, its parameters. Refuses what cannot be understood."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.errors import SpecError
from metrigen.physics.derivation import Bilinear
from metrigen.spec.density import check_evaluated
from metrigen.spec.domain import EDGE, Index
from metrigen.spec.functional import Functional
from metrigen.spec.names import check_name, class_name
from metrigen.spec.neural import Head, learned_functions
from metrigen.spec.symbols import InputFunction, Param, momentum, t
from metrigen.spec.system import System


def functions_in(expr: sp.Expr) -> list[AppliedUndef]:
    """The functions of coordinates in an expression, in a fixed order."""
    return sorted(sp.sympify(expr).atoms(AppliedUndef), key=sp.default_sort_key)


def is_input(u: AppliedUndef) -> bool:
    return isinstance(u, InputFunction) or t not in u.args


def lagrangian_fields(system: System) -> tuple[AppliedUndef, ...]:
    """The fields of a Lagrangian: its functions of (t, *axes) that are no inputs; ``fields=`` gives their order."""
    assert system.lagrangian is not None
    check_functions(system, "lagrangian", system.lagrangian)
    found = [u for u in functions_in(system.lagrangian) if not is_input(u)]
    if not found:
        raise SpecError(
            "the Lagrangian contains no field", part="lagrangian", fix='u = Field("u", domain)', see="fields"
        )
    declared = system.fields or ()
    momenta = [momentum(u) for u in found]
    for u in declared:
        if u not in found and u not in momenta:
            raise SpecError(
                f"{u} is in fields= but not in the Lagrangian",
                part="fields",
                fix="leave fields= out: the state is the fields of the Lagrangian and their momenta",
                see="fields",
            )
    ordered = [u for u in declared if u in found]
    return (*ordered, *(u for u in found if u not in ordered))


def hamiltonian_fields(system: System) -> tuple[AppliedUndef, ...]:
    """The state of a Hamiltonian spec: ``fields=``, or the functions of (t, *axes) in its densities."""
    densities = [(p, getattr(system, p)) for p in ("hamiltonian", "entropy") if getattr(system, p) is not None]
    for part, density in densities:
        check_functions(system, part, density)
    found = list(dict.fromkeys(u for _, density in densities for u in functions_in(density) if not is_input(u)))
    if system.fields is None:
        raise SpecError(
            "a Hamiltonian spec states its fields",
            part="fields",
            why="their order is the order of the state",
            fix=f"fields=({', '.join(_spoken_order(system, found))},)",
            see="fields",
        )
    for u in system.fields:
        check_field(system, u)
    if len(set(system.fields)) != len(system.fields):
        raise SpecError(
            "a field occurs twice in fields=", part="fields", fix="name every field of the state once", see="fields"
        )
    known = (*system.fields, *(system.constraints or ()))
    for part, density in densities:
        missing = [u for u in functions_in(density) if not is_input(u) and u not in known]
        if missing:
            raise SpecError(
                f"{missing[0]} is neither a field of the state nor an input",
                part=part,
                why="fields= is the full state: " + ", ".join(map(str, system.fields)),
                fix=f"add it to fields=, or declare Input({missing[0].func.__name__!r}, domain, time_dependent=True)",
                see="fields",
            )
        if any(t == x for d in density.atoms(sp.Derivative) for x, _ in d.variable_count):
            raise SpecError(
                f"{part}= contains a time derivative",
                part=part,
                why="a Hamiltonian is a function of the state",
                fix="write it with the momentum, or give lagrangian= instead",
                see="time-derivative",
            )
    return system.fields


def _spoken_order(system: System, found: list[AppliedUndef]) -> list[str]:
    """The names of fields in the order in which the brackets name them: q before p, as in F[q]*G[p] - F[p]*G[q]."""
    spoken = Functional("F", tuple(found))
    order: list[AppliedUndef] = []

    class Spoken:
        def __getitem__(self, u: AppliedUndef) -> AppliedUndef:
            order.extend([u] * (u not in order))
            return spoken[u]

    for form in (system.bracket, system.metric):
        try:
            if form is not None:
                form(Spoken(), Spoken())  # type: ignore[arg-type]
        except Exception:  # whatever is wrong with the form is told when its turn comes
            break
    named = [u for u in order if u in found]
    return [u.func.__name__ for u in (*named, *(u for u in found if u not in named))]


def check_field(system: System, u: object) -> None:
    """Refuse what is no real field on the domain of the system."""
    want = (t, *system.domain.axes)
    if not isinstance(u, AppliedUndef):
        raise SpecError(f"{u!r} in fields= is not a field", part="fields", fix='u = Field("u", domain)', see="fields")
    if isinstance(u, InputFunction):
        raise SpecError(
            f"{u} is an Input and cannot be a field of the state",
            part=u.func.__name__,
            why="an input is handed in and does not evolve",
            fix=f"{u.func.__name__} = Field({u.func.__name__!r}, domain), or leave it out of fields=",
            see="fields",
        )
    if any(x not in want and getattr(x, "name", "") == t.name for x in u.args):
        raise _foreign_time(u)
    if own_arguments(system, u) != want:
        raise SpecError(
            f"{u} is a field of another domain",
            part=u.func.__name__,
            why=f"the domain of the system has the coordinates ({', '.join(map(str, want))})",
            fix=f'{u.func.__name__} = Field("{u.func.__name__}", domain)',
            see="fields",
        )
    check_real(u)


def own_arguments(system: System, u: AppliedUndef) -> tuple[sp.Basic, ...]:
    """The coordinates that a function is of, but for the named axes of a matrix memory."""
    return tuple(x for x in u.args if not (system.domain.tokens and isinstance(x, Index)))


def _foreign_time(u: AppliedUndef) -> SpecError:
    name = u.func.__name__
    return SpecError(
        f"the t of {u} is not the time",
        part=name,
        why="a symbol called t with other assumptions is another symbol to SymPy; time is Symbol('t', real=True)",
        fix=f"from metrigen import t, and use it for {name}(t, ...) and its derivatives, or write "
        f"{name} = Field({name!r}, domain)",
        see="time-symbol",
    )


def check_real(u: AppliedUndef) -> None:
    name = u.func.__name__
    if u.is_real is False or (u.is_real is None and u.is_complex):
        raise SpecError(
            f"{name} is a complex field",
            part=name,
            why="the state of a layer is real",
            fix=f"split it into two real fields, {name} = ({name}1 + I*{name}2)/sqrt(2), and write the density in them",
            see="complex",
        )


def check_functions(system: System, part: str, expr: sp.Expr) -> None:
    """Every function in an expression must live on the domain: fields on (t, *axes), inputs on some coordinates."""
    check_evaluated(part, expr)
    want = (t, *system.domain.coordinates)
    complex_parts = expr.atoms(sp.conjugate, sp.re, sp.im, sp.arg)
    for u in functions_in(expr):
        if complex_parts and any(part_.has(u) for part_ in complex_parts) and u.is_real is not True:
            raise SpecError(
                f"{u.func.__name__} is a complex field",
                part=u.func.__name__,
                why=f"{part}= contains its conjugate",
                fix=f"split it into two real fields, {u.func.__name__} = (a + I*b)/sqrt(2)",
                see="complex",
            )
        check_real(u)
        if all(isinstance(x, sp.Symbol) for x in u.args):
            if isinstance(u, InputFunction) or t not in u.args:
                if any(x not in want and x.name == t.name for x in u.args):
                    raise _foreign_time(u)
                if any(x not in want for x in own_arguments(system, u)):
                    raise SpecError(
                        f"{u} is an input of another domain",
                        part=u.func.__name__,
                        why="the axes of the system are " + (", ".join(map(str, system.domain.axes)) or "none"),
                        fix=f"declare it on the system's domain: Input({u.func.__name__!r}, domain)",
                        see="fields",
                    )
            else:
                check_field(system, u)


def check_names(
    system: System, state: tuple[AppliedUndef, ...], expressions: Iterable[sp.Basic], forms: Iterable[Bilinear]
) -> None:
    """Two different symbols may not share a name: results would be ambiguous, and emitted code wrong."""
    owner: dict[str, sp.Basic] = {x.name: x for x in (t, *system.domain.axes)}

    def claim(name: str, symbol: sp.Basic) -> None:
        if not isinstance(symbol, Index) and symbol not in owner.values():
            check_name(name, _kind_of(symbol))
        if owner.setdefault(name, symbol) != symbol:
            other = owner[name]
            raise SpecError(
                f"two different symbols are called {name!r}",
                part=name,
                why=f"{_kind(other)} and {_kind(symbol)}",
                fix="rename one of them, or declare it once and use that object everywhere",
                see="two-symbols",
            )

    for u in state:
        claim(u.func.__name__, u)
    covectors = {c for form in forms for c in (*form.left, *form.right)}
    for expr in (*expressions, *(form.form for form in forms)):
        for u in functions_in(expr):
            if u not in covectors:
                claim(u.func.__name__, u)
        for symbol in sorted(expr.free_symbols, key=lambda s: (s.name, str(type(s)))):
            if type(symbol) not in (sp.Symbol, sp.Dummy) and not isinstance(symbol, (Param, Index)):
                raise SpecError(
                    f"{symbol} is a {type(symbol).__name__}, which stands for no number of a layer",
                    part=symbol.name,
                    fix=f"{symbol.name} = Param({symbol.name!r}), or Input({symbol.name!r}, domain)",
                    see="undeclared-symbol",
                )
            claim(symbol.name, symbol)
            if isinstance(symbol, Param) and symbol.per == "edge" and EDGE not in system.domain.coordinates:
                raise SpecError(
                    f"parameter {symbol.name!r} is given on edges, and the domain has none",
                    part=symbol.name,
                    fix='per="site" on a lattice; Graph() has edges',
                    see="graph-parts",
                )
        for head in learned_functions(expr):
            claim(head.name, head)
    _check_made(system, owner)
    step = system.dt
    if "dt" in owner and step is not None and step.is_number:
        raise SpecError(
            "'dt' is the name of the time step, and something else has it",
            part="dt",
            why=f"{_kind(owner['dt'])}; an emitted layer keeps the step dt={step} of the integrator under that name",
            fix='rename it; a step that is learned is dt=Param("dt", positive=True, init=0.1)',
            see="reserved-name",
        )


def _check_made(system: System, owner: Mapping[str, sp.Basic]) -> None:
    """Names that the emitted layer makes of those of the spec must be free: the class of the state, the raw tensor of a
    parameter."""
    made = {f"{class_name(system.name)}State": "the class of the state"}
    made |= {f"raw_{name}": f"the tensor that keeps the parameter {name}" for name, symbol in owner.items()
             if isinstance(symbol, sp.Symbol)}  # fmt: skip
    for name in sorted(made.keys() & owner.keys()):
        raise SpecError(
            f"the name {name!r} is that of {made[name]}",
            part=name,
            why=f"{_kind(owner[name])} has it as well, and in the emitted module both would be one",
            fix="rename one of them",
            see="reserved-name",
        )


def _kind_of(symbol: sp.Basic) -> str:
    if isinstance(symbol, Head):
        return "learned function"
    if isinstance(symbol, InputFunction):
        return "input"
    if isinstance(symbol, AppliedUndef):
        return "field"
    return "parameter" if isinstance(symbol, Param) else "symbol"


def _kind(symbol: sp.Basic) -> str:
    if isinstance(symbol, Head):
        count = len(symbol.orders)
        declared = [word for word, given in ((symbol.sign, symbol.sign), ("convex", symbol.convex)) if given]
        words = f" ({', '.join(declared)})" if declared else ""
        return f"the learned function {symbol.name} of {count} argument{'s' * (count != 1)}{words}"
    if isinstance(symbol, InputFunction):
        return f"the input {symbol}"
    if isinstance(symbol, AppliedUndef):
        return f"the field {symbol}"
    return f"the {'parameter' if type(symbol) is not sp.Symbol else 'symbol'} {symbol}"
