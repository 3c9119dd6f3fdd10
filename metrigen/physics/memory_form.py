"""One token of a matrix memory: the generator of its flow, read off the rates that the variation gave.

    dS_u/dt = -D_u S_u + theta (S_p, -S_q) - beta k_u sum_w k_w.S_w + a_u b

for fields u of the axes (key, value): a decay D along the keys, the rotation theta of a pair of fields, a part of rank
one a head, and one write of an outer product a token. What has another form is refused by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.errors import SpecError
from metrigen.physics import channels
from metrigen.physics.jets import Jet, from_jets, jet, jets_of
from metrigen.physics.report import show
from metrigen.physics.state import State
from metrigen.spec.contract import axes_of, contract
from metrigen.spec.domain import Index
from metrigen.spec.symbols import t

SUPPORTED = (
    'H = beta*(contract(k, S) - v)**2/2 + lam*S**2/2 - contract(k, S)*v with Inputs, per="channel" or scalar Params, '
    'lam along axes=("key",) if need be, and metric=lambda F, G: F[S]*G[S]'
)


@dataclass(frozen=True)
class Token:
    """The generator above in fields, inputs and parameters.

    key, value  the two axes
    decay       D of every field; rotate: theta of the pair of fields, zero for one
    beta, along beta and the k of every field; beta is zero without a rank-one part, and along empty
    gain, write a_u = gain write_u: with a rank-one part write is along; without, gain is one
    content     b; zero where nothing is written
    """

    key: Index
    value: Index
    decay: tuple[sp.Expr, ...]
    rotate: sp.Expr
    beta: sp.Expr
    along: tuple[sp.Expr, ...]
    gain: sp.Expr
    write: tuple[sp.Expr, ...]
    content: sp.Expr

    @property
    def ranked(self) -> bool:
        return bool(self.beta != 0)

    @property
    def writes(self) -> bool:
        return bool(self.content != 0)

    @property
    def uniform(self) -> bool:
        """Whether all of a head decays alike."""
        return all(d == self.decay[0] and not axes_of(d) for d in self.decay)

    @property
    def splits_decay(self) -> bool:
        """Whether the decay stands in the outer halves of a Strang step."""
        return self.ranked and not self.uniform

    @property
    def splits_rotation(self) -> bool:
        """Whether the rotation stands there."""
        return bool(self.rotate != 0) and (self.ranked or self.writes)

    @property
    def split(self) -> tuple[str, ...]:
        """What stands there, in words; nothing where the token is one exact exponential."""
        words = {"decay along the key axis": self.splits_decay, "rotation": self.splits_rotation}
        return tuple(word for word, there in words.items() if there)


def refused(what: str, why: str, fix: str = SUPPORTED, part: str = "hamiltonian") -> SpecError:
    return SpecError(what, part=part, why=why, fix=fix, see="memory")


def token_of(state: State) -> Token:
    """The generator of a token. Raises SpecError, by name, for what is not diagonal plus rank one."""
    key, value = _axes(state.fields)
    _check_densities(state)
    if state.rates is None:
        raise refused("the equations of the memory are too large", "they were not written out")
    rows = [_Row.of(state.fields, u, rate, key) for u, rate in zip(state.fields, state.rates, strict=True)]
    decay, rotate = _diagonal(rows, state.fields)
    beta, along = _rank_one(rows, state.fields)
    content = _content(rows)
    gain, write = _write(rows, along, content)
    _check_coefficients((rotate, beta, gain, content, *decay, *along, *write))
    if rotate != 0 and len({*decay}) > 1:
        raise refused(
            "the two fields of a rotating pair decay differently",
            f"{show(decay[0])} and {show(decay[1])}: rotation and decay do not commute then",
            "the same lam*(Q**2 + P**2)/2 for both",
        )
    return Token(
        key=key,
        value=value,
        decay=tuple(map(from_jets, decay)),
        rotate=from_jets(rotate),
        beta=from_jets(beta),
        along=tuple(map(from_jets, along)),
        gain=from_jets(gain),
        write=tuple(map(from_jets, write)),
        content=from_jets(content),
    )


def _axes(fields: Sequence[AppliedUndef]) -> tuple[Index, Index]:
    first = tuple(x for x in fields[0].args if isinstance(x, Index))
    odd = next((u for u in fields if tuple(x for x in u.args if isinstance(x, Index)) != first), None)
    if odd is not None or len(first) != 2 or len(fields) > 2:
        names = ", ".join(u.func.__name__ for u in fields)
        raise refused(
            f"the fields {names} are no matrix memory" if len(fields) <= 2 else f"a memory of {len(fields)} fields",
            "it has one matrix a head, or a pair of them that rotates into each other, of the same two axes",
            'S = Field("S", tokens, axes=("key", "value"))',
            "fields",
        )
    return first


def _check_densities(state: State) -> None:
    """A term is summed over all of its axes: whatever it holds of the state has to have all of them."""
    for part, density in (("hamiltonian", state.hamiltonian), ("entropy", state.entropy)):
        for term in sp.Add.make_args(sp.expand(channels.canonical(density))) if density is not None else ():
            axes = jet_axes(term)
            held = [f for f in sp.Mul.make_args(term) if _holds(f, state.fields)]
            short = next((f for f in held if jet_axes(f) != axes), None)
            if short is not None:
                missing = ", ".join(sorted(x.name for x in axes - jet_axes(short)))
                raise refused(
                    f"the term {show(term)} does not say over what it is summed",
                    f"{show(short)} has no axis {missing}, and the other factors have",
                    "factors of one term have the same axes: contract(k, S)*v, S**2, lam*S**2",
                    part,
                )
    mapped = [e for e in (state.hamiltonian, state.entropy or sp.S.Zero, *(state.rates or ()))
              if any(not isinstance(a, contract) for a in e.atoms(*channels.MAPS))]  # fmt: skip
    if mapped:
        raise refused(
            "a memory that mixes its heads", "heads are channels, each by itself", "mix heads by a layer before"
        )


def jet_axes(expr: sp.Basic) -> frozenset[Index]:
    """``axes_of`` of an expression in jets."""
    if isinstance(expr, Jet):
        return axes_of(expr.base)
    if isinstance(expr, contract):
        return jet_axes(expr.args[1]) - jet_axes(expr.args[0])
    return frozenset().union(*map(jet_axes, expr.args)) if expr.args else frozenset()


def _holds(expr: sp.Expr, fields: Sequence[AppliedUndef]) -> bool:
    return bool(jets_of(expr, *fields))


@dataclass(frozen=True)
class _Row:
    """The rate of one field by its terms.

    on      field -> the coefficient of that field
    ranked  (field, weight) -> [a] of a contract(weight, field)
    free    the terms without the state
    """

    u: AppliedUndef
    key: Index
    on: Mapping[AppliedUndef, sp.Expr]
    ranked: Mapping[tuple[AppliedUndef, sp.Expr], sp.Expr]
    free: tuple[sp.Expr, ...]

    @classmethod
    def of(cls, fields: Sequence[AppliedUndef], u: AppliedUndef, rate: sp.Expr, key: Index) -> _Row:
        on: dict[AppliedUndef, sp.Expr] = {}
        ranked: dict[tuple[AppliedUndef, sp.Expr], sp.Expr] = {}
        free = []
        for term in sp.Add.make_args(sp.expand(channels.canonical(rate))):
            inside = [f for f in sp.Mul.make_args(term) if _holds(f, fields)]
            if not inside:
                free.append(term)
                continue
            (factor, *more) = inside
            rest = sp.Mul(*(f for f in sp.Mul.make_args(term) if f is not factor))
            own = next((v for v in fields if factor == jet(v)), None)
            if more or (own is None and not isinstance(factor, contract)):
                raise refused(f"the rate of {u.func.__name__} holds {show(term)}", "a memory is linear in its state")
            place = None if own is not None else _place(u, term, factor, fields, key)
            if jet_axes(rest) - {key}:
                raise refused(
                    f"the rate of {u.func.__name__} holds {show(term)}",
                    f"{show(rest)} differs along the axis of the values; all values of a head move alike",
                )
            if place is None:
                on[own] = on.get(own, sp.S.Zero) + rest
            else:
                ranked[place] = ranked.get(place, sp.S.Zero) + rest
        return cls(u, key, on, ranked, tuple(free))


def _place(
    u: AppliedUndef, term: sp.Expr, atom: contract, fields: Sequence[AppliedUndef], key: Index
) -> tuple[AppliedUndef, sp.Expr]:
    """Field and weight of a contraction with a field."""
    weight, of = atom.args
    rest = [f for f in sp.Mul.make_args(of) if not _holds(f, fields)]
    held = [v for v in fields for f in sp.Mul.make_args(of) if f == jet(v)]
    if len(held) != 1 or len(rest) + 1 != len(sp.Mul.make_args(of)) or _holds(weight, fields):
        raise refused(
            f"the rate of {u.func.__name__} holds {show(term)}", "contract() takes inputs first, then a field"
        )
    whole = sp.Mul(weight, *rest)
    if jet_axes(whole) != {key}:
        raise refused(
            f"the rate of {u.func.__name__} holds {show(term)}",
            f"it sums over {', '.join(sorted(x.name for x in jet_axes(weight)))}; a token matrix acts along {key.name}",
            f'the first of the axes of the field is summed: Input("k", tokens, axes=("{key.name}",))',
        )
    return held[0], whole


def _diagonal(rows: Sequence[_Row], fields: Sequence[AppliedUndef]) -> tuple[tuple[sp.Expr, ...], sp.Expr]:
    decay = tuple(sp.expand(-row.on.get(row.u, sp.S.Zero)) for row in rows)
    if len(rows) == 1:
        return decay, sp.S.Zero
    first, second = fields
    rotate, back = (row.on.get(v, sp.S.Zero) for row, v in zip(rows, (second, first), strict=True))
    if sp.expand(rotate + back) != 0:
        raise refused(
            f"{first.func.__name__} and {second.func.__name__} are coupled by no rotation",
            f"{show(rotate)} and {show(back)} are not of opposite sign",
            "bracket=lambda F, G: theta*(F[Q]*G[P] - F[P]*G[Q]) with H = (Q**2 + P**2)/2, and entropy= minus what the "
            "metric lowers",
            "bracket",
        )
    return decay, sp.expand(rotate)


def _rank_one(rows: Sequence[_Row], fields: Sequence[AppliedUndef]) -> tuple[sp.Expr, tuple[sp.Expr, ...]]:
    """beta, and k of every field."""
    if not any(row.ranked for row in rows):
        return sp.S.Zero, ()
    along: list[sp.Expr] = []
    for row in rows:
        own = [weight for v, weight in row.ranked if v == row.u]
        if len(own) != 1:
            which = " and ".join(show(w) for w in own) or "nothing"
            raise refused(
                f"the rate of {row.u.func.__name__} subtracts along {which}",
                "the token matrix of a head is diagonal plus rank one",
                "one square (contract(k, S) - v)**2, for a pair (contract(k, Q) + contract(l, P) - v)**2",
            )
        along += own
    strengths = []
    for row, own in zip(rows, along, strict=True):
        for (v, weight), coefficient in row.ranked.items():
            other = along[fields.index(v)]
            ratio = sp.cancel(coefficient / own) * sp.cancel(weight / other)
            if jet_axes(ratio):
                raise refused(
                    f"the rate of {row.u.func.__name__} subtracts {show(coefficient)} contract({show(weight)}, .)",
                    "this part of the token matrix is not symmetric, so that no norm is known in which it contracts",
                    "let the metric lower it: for a rotation beside it hamiltonian=(Q**2 + P**2)/2 for the bracket and "
                    "entropy=-(beta*(...)**2/2 + ...) for the metric",
                    "bracket" if len(rows) > 1 else "metric",
                )
            strengths.append(sp.cancel(-ratio))
    if len(strengths) != len(rows) ** 2 or any(sp.expand(s - strengths[0]) != 0 for s in strengths):
        raise refused(
            "the token matrix is not diagonal plus rank one",
            f"the pair is subtracted with the strengths {', '.join(map(show, strengths))}",
            "one square (contract(k, Q) + contract(l, P) - v)**2 for the pair, and one metric F[Q]*G[Q] + F[P]*G[P]",
        )
    return sp.expand(strengths[0]), tuple(along)


def _content(rows: Sequence[_Row]) -> sp.Expr:
    """b, the factor along the values that every write shares."""
    found = []
    for row in rows:
        for term in row.free:
            inside = [f for f in sp.Mul.make_args(term) if jet_axes(f)]
            mixed = next((f for f in inside if row.key in jet_axes(f) and len(jet_axes(f)) > 1), None)
            if mixed is not None or term.has(contract):
                raise refused(
                    f"the rate of {row.u.func.__name__} is driven by {show(term)}",
                    "a token writes the outer product of a vector along the keys and one along the values",
                    "- contract(k, S)*v in the energy",
                )
            found += [sp.Mul(*(f for f in inside if row.key not in jet_axes(f)))] if term != 0 else []
    if len(set(found)) > 1:
        raise refused(
            "a token writes once, with one vector along the values",
            f"the drive holds {' and '.join(map(show, dict.fromkeys(found)))}",
            "add them up before the layer: contract(k, S)*v",
        )
    if found and not jet_axes(found[0]):
        raise refused(
            "a write without a vector along the values", f"it is {show(rows[0].free[0])}, the same for all values",
            'Input("v", tokens, axes=("value",))',
        )  # fmt: skip
    return found[0] if found else sp.S.Zero


def _write(rows: Sequence[_Row], along: tuple[sp.Expr, ...], content: sp.Expr) -> tuple[sp.Expr, tuple[sp.Expr, ...]]:
    if content == 0:
        return sp.S.One, ()
    write = tuple(sp.expand(sp.Add(*(sp.cancel(term / content) for term in row.free))) for row in rows)
    if not along:
        flat = next((row for row, a in zip(rows, write, strict=True) if a != 0 and not jet_axes(a)), None)
        if flat is not None:
            raise refused(
                "a write without a vector along the keys",
                f"the rate of {flat.u.func.__name__} holds {show(flat.free[0])}",
            )
        return sp.S.One, write
    gains = [sp.cancel(a / k) for a, k in zip(write, along, strict=True)]
    if any(jet_axes(g) for g in gains) or any(sp.expand(g - gains[0]) != 0 for g in gains):
        raise refused(
            f"a token writes along {', '.join(map(show, write))} and subtracts along {', '.join(map(show, along))}",
            "the exact flow is known for a write along the vector that is subtracted",
            "the same k in (contract(k, S) - v)**2 and in contract(k, S)*w",
        )
    return sp.expand(gains[0]), along


def _check_coefficients(expressions: Iterable[sp.Expr]) -> None:
    for expr in expressions:
        if expr.has(contract):
            raise refused(
                f"{show(expr)} holds a contraction of inputs",
                "coefficients are computed elementwise",
                "hand it in as an Input",
            )
        if t in expr.free_symbols:
            raise refused("explicit dependence on the time cannot be emitted on a sequence",
                          "a token knows its inputs and nothing else of when it comes",
                          'hand it in as an Input("phase", tokens)')  # fmt: skip
