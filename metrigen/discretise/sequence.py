"""A sequence cell in matrices: what the derivation says of one token, in stored arrays.

    x_t = A (x - f) over one token,   A = (J - K) P,   H = x.P x/2 + x.c,   f = -P^-1 c

in every channel by itself; what couples channels rotates them about f (``discretise.sequence_coupling``). P is constant
and positive definite (the law ``contraction``), so the fixed point f exists for every token, whether A can be inverted
or not: the drive enters as b = (J - K) c = -A f.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.discretise.lower import param_array
from metrigen.discretise.sequence_coupling import ChannelRotation, rotations_of
from metrigen.errors import SpecError
from metrigen.ir.evaluate import check_functions
from metrigen.ir.functions.normal import normal
from metrigen.ir.nodes import Array, Kind, Load
from metrigen.physics import channels
from metrigen.physics.derivation import Derivation
from metrigen.spec.neural import learned_functions
from metrigen.spec.symbols import Param, t

Matrix = tuple[tuple[sp.Expr, ...], ...]


@dataclass(frozen=True)
class Cell:
    """One token of a sequence, in loads and parameters.

    state, tokens, params  arrays of the fields, of the inputs (one value a token), of the parameters (one a channel)
    A, P, fixed            the matrices and the fixed point above; dt the step
    rotations              those of the channels of a field, about the fixed point and after the flow of A
    turned_by              arrays of their matrices and of the numbers of their angles
    """

    state: tuple[Array, ...]
    tokens: tuple[Array, ...]
    params: tuple[Array, ...]
    A: Matrix
    P: Matrix
    fixed: tuple[sp.Expr, ...]
    dt: sp.Expr
    rotations: tuple[ChannelRotation, ...] = ()

    @property
    def rotation_arrays(self) -> tuple[Array, ...]:
        found = {
            s.name: param_array(s)
            for rotation in self.rotations
            for s in (rotation.matrix, *rotation.angle.free_symbols)
        }
        return tuple(found[name] for name in sorted(found))


def cell_of(derivation: Derivation) -> Cell:
    """The cell of a system on a ``Sequence``. Raises SpecError for what a scan over the tokens does not carry."""
    system, fields = derivation.system, derivation.structure.fields
    dt = sp.sympify(system.stepper.dt)
    rates = [sp.expand(sp.sympify(derivation.equations[u])) for u in fields]
    density = sp.expand(derivation.structure.hamiltonian)
    _check(derivation, [*rates, density, dt])
    rotations = rotations_of(derivation)
    if rotations:
        rates = [_uncoupled(rate) for rate in rates]
    inputs = {f for e in (*rates, density, dt) for f in e.atoms(AppliedUndef) if f not in fields}
    tokens = {f: Array(f.func.__name__, Kind.SITE, bool(f.is_positive)) for f in sorted(inputs, key=lambda f: str(f))}
    loads = {f: Load(a.name, (), a.positive) for f, a in tokens.items()}
    rest = dict.fromkeys(fields, sp.S.Zero)
    A = tuple(tuple(_at(r.diff(u), loads) for u in fields) for r in rates)
    P = tuple(tuple(_at(density.diff(u, v), loads) for v in fields) for u in fields)
    c = tuple(_at(density.diff(u).xreplace(rest), loads) for u in fields)
    symbols = sorted(
        {
            s
            for e in (*sum(A, ()), *sum(P, ()), *c, dt.xreplace(loads))
            for s in e.free_symbols
            if not isinstance(s, Load)
        },
        key=lambda s: s.name,
    )
    if not tokens:
        raise SpecError(
            "a sequence without inputs has no tokens",
            part="domain",
            why="the length of the sequence is that of its inputs",
            fix='Input("f", tokens) as a drive, or Lattice() for a system of ODEs',
            see="sequence",
        )
    return Cell(
        state=tuple(Array(u.func.__name__, Kind.SITE) for u in fields),
        tokens=tuple(tokens.values()),
        params=tuple(param_array(s) for s in symbols),
        A=A,
        P=P,
        fixed=_fixed_point(P, c),
        dt=_at(dt, loads),
        rotations=tuple(replace(rotation, angle=_at(rotation.angle, loads)) for rotation in rotations),
    )


def _uncoupled(rate: sp.Expr) -> sp.Expr:
    """What acts in every channel by itself."""
    return sp.Add(*(term for term in sp.Add.make_args(rate) if not channels.has_maps(term)))


def _at(expr: sp.Expr, loads: dict[AppliedUndef, Load]) -> sp.Expr:
    made = normal(sp.sympify(expr).xreplace(loads))
    check_functions(made, "hamiltonian")
    return made


def _fixed_point(P: Matrix, c: tuple[sp.Expr, ...]) -> tuple[sp.Expr, ...]:
    """-P^-1 c for one or two fields."""
    if len(c) == 1:
        return (-c[0] / P[0][0],)
    (a, b), (_, d) = P
    if b == 0:
        return -c[0] / a, -c[1] / d
    det = a * d - b * b
    return (b * c[1] - d * c[0]) / det, (b * c[0] - a * c[1]) / det


def _check(derivation: Derivation, expressions: list[sp.Expr]) -> None:
    def refuse(what: str, why: str, fix: str, part: str = "domain") -> SpecError:
        return SpecError(what, part=part, why=why, fix=fix, see="sequence")

    if len(derivation.structure.fields) > 2:
        raise refuse(
            f"a sequence cell of {len(derivation.structure.fields)} fields has no emitted form",
            "the exponential is taken in closed form, of one field or of two",
            "one or two fields a system; more oscillators are more channels",
        )
    if any(learned_functions(e) for e in expressions):
        raise refuse(
            "a sequence with a learned function has no emitted form",
            "the kernels of a scan call no module",
            "hand its value in as an Input: a module computes all tokens at once",
        )
    if any(t in e.xreplace(dict.fromkeys(e.atoms(AppliedUndef), sp.S.One)).free_symbols for e in expressions):
        raise refuse(
            "explicit dependence on the time cannot be emitted on a sequence",
            "a token knows its inputs and nothing else of when it comes",
            'hand it in as an Input("phase", tokens)',
        )
    for s in sorted({s for e in expressions for s in e.free_symbols}, key=lambda s: s.name):
        if isinstance(s, Param) and s.per == "sample":
            raise refuse(
                f'{s.name} has per="sample", which a scan does not carry',
                "its coefficients are one number a channel",
                f"{s.name} = Input({s.name!r}, tokens), handed in as (B, C, 1) or (B, 1, 1)",
                s.name,
            )
        if isinstance(s, Param) and s.per in ("site", "edge"):
            raise refuse(
                f'{s.name} has per="{s.per}", which a sequence does not have',
                "the length of a sequence is no part of a module",
                'per="channel" or per="scalar", or an Input with a value a token',
                s.name,
            )
    if derivation.system.stepper.steps != 1:
        raise refuse(
            f"Exponential(steps={derivation.system.stepper.steps}) on a sequence",
            "a token is one exact step: more of them are one with a larger dt",
            "Exponential(dt=...)",
            "integrator",
        )
