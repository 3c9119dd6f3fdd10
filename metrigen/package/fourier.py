"""Plane waves about a constant state: the Fourier symbol of the equations, of their lattice form and of one step.

z = z0 + z^ exp(i k.x) obeys z^_t = A(k) z^. Its eigenvalues s are growth rate + i frequency. The continuum has
A(k) = sum_alpha (df/dz_alpha) (ik)^alpha, the lattice A(k) = sum_o (df/dz[o]) exp(i k.o h); one step multiplies the
wave by G(k), built in the same way from the program of the step, and is stable where every |eigenvalue of G| <= 1.
One channel: a symmetric channel matrix is one of its eigenvalues, an antisymmetric one vanishes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.discretise.dynamics import Dynamics, after
from metrigen.ir.evaluate import almost_everywhere, evaluate
from metrigen.ir.nodes import Offset, Program
from metrigen.ir.queries import maps_in
from metrigen.package.linear import KINK, Linear, Unlinearised, expanded, respond, symbol
from metrigen.package.parameters import initial_value
from metrigen.physics.derivation import Derivation
from metrigen.physics.jets import has_unevaluated, jets_of, to_jets
from metrigen.physics.partials import derivative
from metrigen.physics.size import TooLarge
from metrigen.physics.variation import euler_jets
from metrigen.spec.contracts import Stepper
from metrigen.spec.symbols import Param, mix, t, total, transposed

# (row, column) -> orders in space or offset -> coefficient
Entries = Mapping[tuple[int, int], Mapping[Offset, sp.Expr]]
_LARGE = 4000  # operations beyond which an expression is not linearised by hand


@dataclass(frozen=True)
class Symbols:
    """The linear part of an operator about a constant state, exactly.

    names      the components of the state, by array; the state itself is written by their names
    continuum  coefficients of derivatives; None where the reason ``why`` stands against it
    lattice    coefficients of neighbours
    steady     the operator is dF/du of a steady state, not the right side of u_t
    taken      the names of the spec, which no letter of a formula is
    """

    names: tuple[str, ...]
    axes: tuple[str, ...]
    spacing: sp.Expr
    continuum: Entries | None
    lattice: Entries
    steady: bool
    why: str = ""
    taken: frozenset[str] = frozenset()

    @property
    def matrix(self) -> str:
        """What the Fourier symbol is called."""
        return next(c for c in ("A", "M", "Q", "matrix") if c not in self.taken)

    @property
    def vector(self) -> str:
        """What the wave vector is called; its component along x is k_x, as is the derivative of a function k."""
        parts = {c: {c, *(f"{c}_{x}" for x in self.axes)} for c in ("k", "kappa", "q", "wavevector")}
        return next(c for c, names in parts.items() if not names & self.taken)


@dataclass(frozen=True)
class Numbers:
    """The numbers behind a picture: the constant state and the parameters at their declared start, by name."""

    values: Mapping[str, float]
    fields: tuple[str, ...]
    at_rest: bool


def symbols_of(derivation: Derivation, layer: Dynamics, program: Program) -> Symbols:
    """Linearise the equations of a derivation and their lattice form, the ``rates_program``. Raises Unlinearised."""
    domain, names = derivation.system.lattice, tuple(a.name for a in layer.state)
    axes = tuple(str(x) for x in domain.axes)
    if any(a.name in axes for a in layer.inputs):
        raise Unlinearised("the coefficients depend on the place")
    steady = derivation.system.solves
    if sum(int(sp.count_ops(e)) for s in maps_in(program, "the von Neumann analysis") for e in s.expressions) > _LARGE:
        raise Unlinearised(f"the equations on the lattice have more than {_LARGE} operations")
    lattice = _entries(respond(program, names), program.outputs, names)
    if any(symbol(t.name) in sp.sympify(c).free_symbols for row in lattice.values() for c in row.values()):
        raise Unlinearised("the coefficients depend on the time")
    try:
        continuum, why = _continuum(derivation, layer, steady), ""
    except (Unlinearised, TooLarge) as error:
        continuum, why = None, str(error)
    taken = frozenset(a.name for a in (*layer.state, *layer.inputs, *layer.params))
    return Symbols(names, axes, domain.spacing, continuum, lattice, steady, why, taken)


def numbers_of(layer: Dynamics, program: Program) -> Numbers:
    """A constant state at which the dynamics has finite slopes: 0 (1 for a field that is positive), else 1.

    Inputs are 0, or 1 if they are positive; parameters have their declared start, and t is 0. Raises Unlinearised.
    """
    known = {symbol(a.name): a for a in layer.lowering.inputs}
    for fallback in (0.0, 1.0):
        values = {a.name: _start(layer, a.name, fallback) for a in known.values()}
        values |= {a.name: 0.0 for a in layer.noise.values()}  # the mean of a step is that without noise
        with np.errstate(all="ignore"):
            linear = respond(program, [a.name for a in layer.state], values)
        found = [*linear.values.values(), *(c for r in linear.responses.values() for c in r.values())]
        if all(np.isfinite(c).all() for c in found):
            scale = max((abs(float(v)) for v in linear.values.values()), default=0.0)
            return Numbers(values, tuple(a.name for a in layer.state), scale < 1e-9)
    raise Unlinearised("it has no finite slopes at the constant states 0 and 1")


def _start(layer: Dynamics, name: str, fallback: float) -> float:
    for function, array in layer.lowering.arrays.items():
        if array.name == name:
            if isinstance(function, Param):
                return initial_value(function)
            field = any(name == a.name for a in layer.state)
            return 1.0 if function.is_positive or function.is_nonnegative else fallback if field else 0.0
    if name == t.name:
        return 0.0
    return next(initial_value(s) for s in _parameters(layer) if s.name == name)


def _parameters(layer: Dynamics) -> list[sp.Symbol]:
    """The symbols of all parameters, the time step among them, in a fixed order."""
    dt = layer.derivation.system.dt
    parts = [*layer.derivation.expressions, *(() if dt is None else (dt,))]
    found = {s for e in parts for s in e.free_symbols} | {a.args[0] for e in parts for a in e.atoms(transposed)}
    return sorted(found, key=lambda s: (s.name, str(type(s))))


def _entries(linear: Linear, outputs: Sequence[str], names: Sequence[str]) -> dict[tuple[int, int], dict[Offset, Any]]:
    out: dict[tuple[int, int], dict[Offset, Any]] = {}
    for i, output in enumerate(outputs):
        for (name, offset), c in linear.responses[output].items():
            out.setdefault((i, list(names).index(name)), {})[offset] = c
    return {key: {o: out[key][o] for o in sorted(out[key])} for key in sorted(out)}


# The continuum ---------------------------------------------------------------------------------------------------


def _continuum(derivation: Derivation, layer: Dynamics, steady: bool) -> Entries:
    out: dict[tuple[int, int], dict[Offset, sp.Expr]] = {}
    for i, u in enumerate(derivation.fields):
        if steady:
            force = euler_jets(to_jets(one_channel(derivation.hamiltonian)), u)
        else:
            rate = derivation.equations[u]
            if has_unevaluated(rate) or sp.count_ops(rate) > _LARGE:
                raise Unlinearised("the equations are too large to be written out")
            force = to_jets(one_channel(rate))
        if force.free_symbols & {*derivation.system.domain.axes}:
            raise Unlinearised("the coefficients depend on the place or the time")
        flat: dict[sp.Basic, sp.Expr] = {}
        for j in jets_of(force):
            array = layer.lowering.arrays.get(j.base)
            flat[j] = sp.S.Zero if j.order else symbol(array.name if array else j.base.func.__name__)
        for j in jets_of(force, *derivation.fields):
            c = expanded(_plain(derivative(force, j).xreplace(flat)))
            if symbol(t.name) in c.free_symbols:
                raise Unlinearised("the coefficients depend on the place or the time")
            if c.has(sp.zoo, sp.nan, sp.oo):
                raise Unlinearised("a coefficient has no value at a constant state")
            if c.has(sp.DiracDelta):
                raise Unlinearised(KINK)
            if not c.is_zero:
                orders = tuple(j.order_in(x) for x in derivation.system.domain.axes)
                row = out.setdefault((i, derivation.fields.index(j.base)), {})
                row[orders] = row.get(orders, sp.S.Zero) + c
    return {key: {o: out[key][o] for o in sorted(out[key])} for key in sorted(out)}


def one_channel(expr: sp.Expr) -> sp.Expr:
    """The expression where there is one channel: K f is a product, and 0 for an antisymmetric K."""
    if not expr.args or isinstance(expr, AppliedUndef):
        return expr
    args = [one_channel(a) for a in expr.args] if not isinstance(expr, sp.Derivative) else []
    if isinstance(expr, sp.Derivative):
        return one_channel(expr.expr).diff(*expr.variable_count)
    if isinstance(expr, total):
        return args[0]
    if isinstance(expr, mix):
        matrix = expr.args[0].args[0] if isinstance(expr.args[0], transposed) else expr.args[0]
        return sp.S.Zero if matrix.antisymmetric else matrix * args[1]
    return expr.func(*args)


def _plain(expr: sp.Expr) -> sp.Expr:
    return expr.xreplace({s: symbol(s.name) for s in expr.free_symbols})


# Numbers ---------------------------------------------------------------------------------------------------------


def _smooth(coefficient: Any) -> sp.Expr:
    return almost_everywhere(sp.sympify(coefficient))


def matrices(
    entries: Entries, size: int, k: np.ndarray, values: Mapping[str, Any], spacing: float, derivatives: bool
) -> np.ndarray:
    """A(k) for wave vectors k of shape (n, axes), in units of 1/length: (n, size, size), complex."""
    out = np.zeros((len(k), size, size), dtype=complex)
    table = {symbol(name): np.asarray(v, dtype=float) for name, v in values.items()}
    for (i, j), row in entries.items():
        for at, coefficient in row.items():
            with np.errstate(all="ignore"):  # what is not finite has no eigenvalues
                c = coefficient if isinstance(coefficient, np.ndarray) else evaluate(_smooth(coefficient), table)
            if derivatives:
                out[:, i, j] += c * np.prod((1j * k) ** np.asarray(at, dtype=int), axis=1)
            else:
                out[:, i, j] += c * np.exp(1j * spacing * (k @ np.asarray(at, dtype=float)))
    return out


def eigenvalues(matrix: np.ndarray) -> np.ndarray:
    """Eigenvalues along the last axis; nan where the matrix is not finite."""
    good = np.isfinite(matrix).all(axis=(-1, -2))
    out = np.full(matrix.shape[:-1], np.nan + 0j)
    out[good] = np.linalg.eigvals(matrix[good])
    return out


@dataclass(frozen=True)
class StepMap:
    """The linear map of one step: (row, column) -> offset -> coefficient, one for each of the step sizes ``dt``."""

    size: int
    spacing: float
    dt: np.ndarray
    entries: Mapping[tuple[int, int], Mapping[Offset, np.ndarray]]

    def factors(self, k: np.ndarray) -> np.ndarray:
        """Eigenvalues of G(k): shape (step sizes, wave vectors, size)."""
        out = np.zeros((len(self.dt), len(k), self.size, self.size), dtype=complex)
        for (i, j), row in self.entries.items():
            for at, c in row.items():
                phase = np.exp(1j * self.spacing * (k @ np.asarray(at, dtype=float)))
                out[:, :, i, j] += np.broadcast_to(c, self.dt.shape)[:, None] * phase
        return eigenvalues(out)


def step_map(step: Program, layer: Dynamics, numbers: Numbers, dt: Sequence[float]) -> StepMap:
    """Linearise a step at the constant state for several step sizes at once. Raises Unlinearised."""
    values = {**numbers.values, dt_name(layer): np.asarray(dt, dtype=float)}
    linear = respond(step, numbers.fields, values)
    entries = _entries(linear, [after(name) for name in numbers.fields], numbers.fields)
    spacing = float(layer.derivation.system.lattice.spacing)
    return StepMap(len(numbers.fields), spacing, np.asarray(dt, dtype=float), entries)


def dt_name(layer: Dynamics) -> str:
    """The name of the time step among the parameters; "" if there is none or it is made of several."""
    dt = layer.derivation.system.dt
    return dt.name if isinstance(dt, sp.Symbol) else ""


def chosen_dt(derivation: Derivation) -> float | None:
    """The declared size of a step, as a number."""
    integrator = derivation.system.integrator
    if not isinstance(integrator, Stepper):
        return None
    dt = sp.sympify(integrator.dt)
    return float(dt.xreplace({s: sp.Float(initial_value(s)) for s in dt.free_symbols}))


def limit_value(derivation: Derivation, values: Mapping[str, float]) -> float | None:
    """The step limit as a number at the declared start; None where it is not known or not finite."""
    if derivation.step_limit is None:
        return None
    table: dict[sp.Symbol, Any] = {}
    for s in derivation.step_limit.free_symbols:
        name = s.name.removeprefix("norm_")
        table[s] = np.abs(np.asarray(values.get(name, initial_value(s)), dtype=float))
    if derivation.step_limit.atoms(AppliedUndef):
        return None
    with np.errstate(all="ignore"):
        limit = float(evaluate(derivation.step_limit, table))
    return limit if np.isfinite(limit) else None
