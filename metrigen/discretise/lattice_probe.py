"""Evidence for a law of the stencil: numbers on random states, and expressions at one site for a proof.

A program is evaluated in two ways with the same call, ``program -> {output: value}``: by the interpreter on arrays, and
by inlining its statements into expressions over the leaves of its inputs. An identity that fails on a random state is
refuted; one that holds there is proved by expanding the expressions, where they are small enough to be written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import sympy as sp

from metrigen.discretise.dynamics import Dynamics
from metrigen.ir.evaluate import almost_everywhere
from metrigen.ir.interpreter import run
from metrigen.ir.nodes import (
    Inside,
    Kind,
    Load,
    Map,
    Offset,
    Outside,
    Program,
    Solve,
    at_site,
    loads,
    negate,
    shift,
)
from metrigen.ir.queries import known
from metrigen.passes.pipeline import BUILT, apply
from metrigen.passes.vary import bar, vary
from metrigen.physics.derivation import Bilinear
from metrigen.physics.partials import Partials
from metrigen.physics.size import TooLarge, expanded_terms, nodes
from metrigen.physics.work_budget import expand
from metrigen.physics.zero import zero_test

CHANNELS, TRIALS, SEED, TOLERANCE = 2, 3, 20, 1e-10
# Sites per axis: a third derivative and its variation do not meet themselves around a periodic line.
_SITES = {0: 1, 1: 9, 2: 6, 3: 4}
_MOST_WALLS = 4  # sites that may lie inside or outside: 2^n cases
_LARGE_NODES, _LARGE_TERMS = 12_000, 6_000
Numbers = dict[str, np.ndarray]
Vector = Mapping[str, sp.Expr]


class Unwritten(Exception):
    """A program has no expression at one site that is small enough: channel maps, or too many terms."""


@contextmanager
def writing() -> Iterator[None]:
    """What outgrows the account of a law is not written."""
    try:
        yield
    except TooLarge as error:
        raise Unwritten(error.short) from error


@dataclass(frozen=True)
class Stencil:
    """The maps that a dynamics is made of: dH, dS, J and M on its lattice, as they are emitted: after the passes."""

    dynamics: Dynamics
    energy: Program
    entropy: Program | None
    bracket: Program | None
    metric: Program | None

    @classmethod
    def of(cls, dynamics: Dynamics) -> Stencil:
        derivation = dynamics.derivation
        structure, entropy = derivation.structure, derivation.system.entropy
        operators = {part: operator_of(dynamics, form, part) for part, form in structure.forms.items()}
        return cls(
            dynamics,
            apply(BUILT, dynamics.gradient(structure.hamiltonian)),
            None if entropy is None else apply(BUILT, dynamics.gradient(entropy, "S", "entropy")),
            operators.get("bracket"),
            operators.get("metric"),
        )

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(a.name for a in self.dynamics.state)

    @property
    def sites(self) -> int:
        return _SITES.get(len(self.dynamics.origin), 3)

    def operator(self, bilinear: Bilinear, part: str) -> Program:
        return operator_of(self.dynamics, bilinear, part)

    def restored(self, law: str) -> str | None:
        """How a step keeps a law that the flow of the stencil does not; None where it does not either."""
        method = self.dynamics.derivation.system.integrator
        restores: Mapping[str, str] = {} if method is None else method.restores
        return restores.get(law)

    # Numbers ---------------------------------------------------------------------------------------------------

    def states(self) -> Iterator[Numbers]:
        """Random values of every array, in the ranges that are declared; positive throughout where a root or a
        logarithm has no value otherwise."""
        for trial in range(TRIALS):
            drawn = self._draw(trial)
            gradient = gradient_of(self.energy, drawn)
            if not all(np.isfinite(x).all() for x in gradient.values()):
                drawn = {name: np.abs(x) + 0.1 for name, x in drawn.items()}
            yield drawn

    def _draw(self, trial: int) -> Numbers:
        rng = np.random.default_rng([SEED, trial])
        rank = len(self.dynamics.origin)
        shapes: dict[Kind, tuple[int, ...]] = {
            Kind.SITE: (1, CHANNELS, *[self.sites] * rank), Kind.CHANNEL: (CHANNELS,), Kind.SCALAR: (),
            Kind.MATRIX: (CHANNELS, CHANNELS),
        }  # fmt: skip
        signed = self._signed()
        values: Numbers = {}
        for array in self.dynamics.lowering.inputs:
            x = np.asarray(rng.normal(size=shapes[array.kind]))
            x = x + array.symmetry * x.T if array.symmetry else x
            values[array.name] = np.abs(x) + 0.1 if array.positive or array.name in signed else x
        return values

    def _signed(self) -> set[str]:
        derivation = self.dynamics.derivation
        exprs = (*derivation.densities, *derivation.structure.constraints.values())
        names = {a.name for u, a in self.dynamics.lowering.arrays.items() if u.is_nonnegative}
        return names | {s.name for e in exprs for s in e.free_symbols if s.is_nonnegative}

    def covector(self, trial: int, which: int) -> Numbers:
        """A random covector, of full spectrum."""
        rng = np.random.default_rng([SEED, trial, which])
        shape = (1, CHANNELS, *[self.sites] * len(self.dynamics.origin))
        return {name: rng.normal(size=shape) for name in self.names}

    # Expressions -----------------------------------------------------------------------------------------------

    def inline(self, program: Program, bind: Vector | None = None) -> dict[str, sp.Expr]:
        """The outputs of a program as expressions at the site, inputs replaced as ``bind`` says. Raises Unwritten."""
        env: dict[str, sp.Expr] = dict(bind or {})
        for statement in known(program, "the laws of a stencil written out"):
            if isinstance(statement, Solve):
                raise Unwritten("a constraint is solved, which couples all sites")
            if not isinstance(statement, Map) or statement.sums:
                raise Unwritten("channels are coupled")
            inner: dict[sp.Symbol, sp.Expr] = {}
            for symbol, expr in statement.lets:
                inner[symbol] = self.settled(expr.xreplace(inner))
            for name, expr in statement.stores:
                expr = self.settled(expr.xreplace(inner)) if inner else expr
                table = {load: self._at(env[load.array], load.offset) for load in loads(expr) if load.array in env}
                env[name] = self.settled(expr.xreplace(table))
        return {name: env[name] for name in program.outputs}

    def _at(self, expr: sp.Expr, offset: Offset) -> sp.Expr:
        """A stored array read at an offset: zero outside the lattice."""
        moved = shift(expr, offset)
        return moved if self.dynamics.lowering.periodic or not any(offset) else Inside(offset) * moved

    def settled(self, expr: sp.Expr) -> sp.Expr:
        if nodes(expr) > _LARGE_NODES:
            raise Unwritten(f"more than {_LARGE_NODES} operations at a site")
        return at_site(expr, self.dynamics.origin)

    def variation(self, expr: sp.Expr, array: str) -> sp.Expr:
        """The discrete Euler operator E(f) = sum_s S_-s df/dz_s of a density summed over the lattice."""
        expr = expr if self.dynamics.lowering.periodic else Inside(self.dynamics.origin) * expr
        own = [load for load in loads(expr) if load.array == array]
        if nodes(expr) * len(own) > 10 * _LARGE_NODES:
            raise Unwritten(f"more than {_LARGE_NODES} operations at a site")
        with writing():
            partials = Partials(expr)
            return self.settled(
                sp.Add(*(shift(almost_everywhere(partials.along(load)), negate(load.offset)) for load in own))
            )

    def vanishes(self, expr: sp.Expr) -> bool:
        """Proved to be zero at every site of every state."""
        if expr.is_zero:
            return True
        if expanded_terms(expr) > _LARGE_TERMS:
            raise Unwritten(f"more than {_LARGE_TERMS} terms at a site")
        with writing():
            if zero_test(sp.Add(*map(_without_walls, sp.Add.make_args(expand(expr))))).proved:
                return True
            offsets = sorted({atom.offset for atom in expr.atoms(Inside)})
            return 0 < len(offsets) <= _MOST_WALLS and all(zero_test(case).proved for case in _walls(expr, offsets))

    def is_null(self, expr: sp.Expr) -> bool:
        """Proved to be a total difference: its variation by every field vanishes."""
        return all(self.vanishes(self.variation(expr, name)) for name in self.names)


def operator_of(dynamics: Dynamics, bilinear: Bilinear, part: str) -> Program:
    """The operator of a bracket after the passes, without its left covectors: it is varied by them, and reads none."""
    program = apply(BUILT, dynamics.operator(bilinear, part))
    return replace(program, inputs=tuple(a for a in program.inputs if not a.name.endswith("__left")))


def gradient_of(program: Program, values: Numbers) -> Numbers:
    """The numbers of a gradient program, by field."""
    with np.errstate(all="ignore"):
        return {name.removesuffix(bar("")): x for name, x in run(program, values).items()}


def applied(operator: Program, values: Numbers, covector: Numbers) -> Numbers:
    """The numbers of J g or M g, by field."""
    with np.errstate(all="ignore"):
        out = run(operator, {**values, **{f"{name}__right": x for name, x in covector.items()}})
    return {name.removesuffix(bar("__left")): x for name, x in out.items()}


def acting(covector: Vector) -> dict[str, sp.Expr]:
    """The binding of an operator to a covector given by expressions."""
    return {f"{name}__right": e for name, e in covector.items()}


def pairing(operator: Program, names: Sequence[str], origin: Offset) -> Program:
    """d/dz of sum_n A . J B, with A in ``u__test`` and B in ``u__right``: outputs ``bar(u)``."""
    inner = {name: f"inner__{name}" for s in operator.body for name, _ in s.defines}
    body = tuple(s.renamed(inner) for s in operator.body)
    density = sp.Add(*(Load(f"{u}__test", origin) * Load(inner[bar(f"{u}__left")], origin) for u in names))
    tests = tuple(type(operator.inputs[0])(f"{u}__test", Kind.SITE) for u in names)
    whole = Program(
        "pairing", (*operator.inputs, *tests), (*body, Map(stores=(("density", density),))), ("density",),
        operator.periodic,
    )  # fmt: skip
    return vary(whole, names, seed=sp.S.One, rank=len(origin))


def _walls(expr: sp.Expr, offsets: Sequence[Offset]) -> Iterator[sp.Expr]:
    """The expression for every way in which the sites at ``offsets`` lie on the lattice or not."""
    for inside in product((sp.S.Zero, sp.S.One), repeat=len(offsets)):
        case: dict[sp.Basic, sp.Expr] = {}
        for offset, value in zip(offsets, inside, strict=True):
            case |= {Inside(offset): value, Outside(offset): 1 - value}
        beyond = {offset for offset, value in zip(offsets, inside, strict=True) if value.is_zero}
        yield expr.xreplace({**case, **{load: sp.S.Zero for load in loads(expr) if load.offset in beyond}})


def _without_walls(term: sp.Expr) -> sp.Expr:
    """A product with inside[s] x[s] = x[s], outside[s] x[s] = 0 and inside^2 = inside."""
    powers = [factor.as_base_exp() for factor in sp.Mul.make_args(term)]
    stored = {b.offset for b, n in powers if isinstance(b, Load) and n.is_positive}
    read = stored | {b.offset for b, _ in powers if _inside(b)}
    out = []
    for factor in sp.Mul.make_args(term):
        base, exponent = factor.as_base_exp()
        if isinstance(base, Outside) and base.offset in read:
            return sp.S.Zero
        if _inside(base) and base.offset in stored:
            continue
        out.append(base if isinstance(base, Inside) and exponent.is_positive else factor)
    return sp.Mul(*out)


def _inside(base: sp.Expr) -> bool:
    return isinstance(base, Inside) and not isinstance(base, Outside)
