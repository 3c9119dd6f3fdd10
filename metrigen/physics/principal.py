"""Well-posedness from the principal part of the equations, locally in time.

parabolic   z_t = P(z, ..) D^m z + lower orders, m even, (-1)^(m/2 + 1) P(k) positive definite at every state
symmetric   z_t = L(D) z + A_k(z) D_k z + B(z): L of constant coefficients with a symbol whose Hermitian part is bounded
            above, A_k symmetric. D^s commutes with L, and D^s u . A D D^s u = -D^s u . (D A) D^s u / 2 loses no
            derivative: the estimate closes in H^s, s > d/2 + 1
hyperbolic  z_t = A_k(z) D_k z + B(z) with a symmetriser: S > 0 and S A_k symmetric. S = H'' where H is convex (the
            entropy of Godunov and Friedrichs); for two fields on a line diag(a_21, a_12) where a_12 a_21 > 0
wave        q_t = c p, p_t = a_ij(q, Dq) q_ij + B(q, Dq, p) with c a positive definite
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import sympy as sp

from metrigen.physics import channels
from metrigen.physics.conditions import conditional
from metrigen.physics.derivation import Law
from metrigen.physics.jets import Jet, jet, jets_of
from metrigen.physics.partials import Partials
from metrigen.physics.positivity import Matrix, signs_of_matrix
from metrigen.physics.report import show
from metrigen.physics.signs import sign_of
from metrigen.physics.state import State, functional_derivatives
from metrigen.physics.work_budget import expand
from metrigen.physics.zero import all_zero, zero_test

NAME = "well_posed"
_LOCAL = "locally in time, while the fields stay bounded and inside their declared range"
Orders = tuple[int, ...]


@dataclass(frozen=True)
class Principal:
    """The Frechet derivative of the rates: ``of[i, j]`` maps orders in space to the coefficient of D^alpha z_j."""

    state: State
    of: Mapping[tuple[int, int], Mapping[Orders, sp.Expr]]

    @classmethod
    def of_state(cls, state: State) -> Principal:
        of: dict[tuple[int, int], dict[Orders, sp.Expr]] = {}
        for i, rate in enumerate(state.rates or ()):
            partials = Partials(rate)
            for j in jets_of(rate, *state.fields):
                c = partials.along(j)
                if not zero_test(c).proved:
                    of.setdefault((i, state.fields.index(j.base)), {})[j.orders[1:]] = c
        return cls(state, of)

    @property
    def order(self) -> int:
        return max((sum(alpha) for entry in self.of.values() for alpha in entry), default=0)

    def terms(self) -> Iterator[tuple[int, int, Orders, sp.Expr]]:
        for (i, j), entry in self.of.items():
            for alpha, c in entry.items():
                yield i, j, alpha, c

    def matrix(self, alpha: Orders) -> Matrix:
        n = range(len(self.state.fields))
        return [[self.of.get((i, j), {}).get(alpha, sp.S.Zero) for j in n] for i in n]

    def held(self, c: sp.Expr) -> int:
        """The highest derivative of the fields in a coefficient, -1 for none of the fields."""
        return max((j.order for j in jets_of(c, *self.state.fields)), default=-1)

    def constant(self, c: sp.Expr) -> bool:
        return not jets_of(c) and not any(x in c.free_symbols for x in self.state.coordinates)


def by_principal_part(state: State) -> Law | None:
    """The law where the principal part decides it, else None. Raises TooLarge."""
    if not state.rates or any(map(channels.has_maps, state.rates)):
        return None
    principal = Principal.of_state(state)
    periodic = state.system.domain.boundary == "periodic"
    second_order = principal.order == 2 and len(state.fields) == 1
    arguments: tuple[Callable[[Principal], Law | None], ...] = (_parabolic, _symmetric, _hyperbolic, _wave)
    if not periodic:
        # Walls give these two their natural boundary condition; the others would need one for each characteristic.
        arguments = (_parabolic, _wave) if second_order else (_wave,)
    for argument in arguments:
        law = argument(principal)
        if law is not None:
            return law
    return None


def _parabolic(p: Principal) -> Law | None:
    order = p.order
    leading = [(i, j, alpha, c) for i, j, alpha, c in p.terms() if sum(alpha) == order]
    if order % 2 or any(p.held(c) >= order for *_, c in leading):
        return None
    sign = (-1) ** (order // 2 + 1)
    if len(p.state.axes) == 1:
        rows = p.matrix((order,))
        symmetric = [[sign * (a + b) / 2 for a, b in zip(row, column, strict=True)] for row, column in _pairs(rows)]
        definite = _definite(symmetric)
    elif any(i != j for i, j, _, _ in leading):
        return None
    else:
        fields = range(len(p.state.fields))
        definite = all(_elliptic(p, {a: sign * c for i, _, a, c in leading if i == f}, order) for f in fields)
    if not definite:
        return None
    return Law(NAME, "proved", f"parabolic of order {order}: the principal symbol is negative definite", _LOCAL)


def _pairs(rows: Matrix) -> Iterator[tuple[Sequence[sp.Expr], Sequence[sp.Expr]]]:
    return zip(rows, [list(column) for column in zip(*rows, strict=True)], strict=True)


def _definite(rows: Matrix) -> bool:
    """A positive definite matrix, for certain."""
    return all(s.verdict == "positive" and not s.by_points for s in signs_of_matrix(rows))


def _elliptic(p: Principal, symbol: Mapping[Orders, sp.Expr], order: int) -> bool:
    """sum c_alpha k^alpha > 0 for every k: a quadratic form, or even powers alone with all pure ones."""
    axes = range(len(p.state.axes))
    unit: Callable[..., tuple[int, ...]] = lambda *at: tuple(sum(1 for a in at if a == x) for x in axes)
    if order == 2:
        return _definite(_quadratic_form(symbol, len(axes)))
    even = all(n % 2 == 0 for alpha in symbol for n in alpha) and all(sign_of(c).holds for c in symbol.values())
    pure = [symbol.get(unit(*[a] * order), sp.S.Zero) for a in axes]
    return even and all(sign_of(c).verdict == "positive" for c in pure)


def _quadratic_form(symbol: Mapping[Orders, sp.Expr], axes: int) -> Matrix:
    """a_xy in sum a_xy k_x k_y, from the coefficients of second order."""

    def entry(a: int, b: int) -> sp.Expr:
        at = tuple(int(x == a) + int(x == b) for x in range(axes))
        return symbol.get(at, sp.S.Zero) / (1 if a == b else 2)

    return [[entry(a, b) for b in range(axes)] for a in range(axes)]


def _symmetric(p: Principal) -> Law | None:
    for i, j, alpha, c in p.terms():
        order, mirror = sum(alpha), p.of.get((j, i), {}).get(alpha, sp.S.Zero)
        if (order > 1 and not p.constant(c)) or (order == 1 and p.held(c) > 0):
            return None
        if order % 2 and not zero_test(c - mirror).proved:
            return None
        if order and order % 2 == 0 and not zero_test(c + mirror).proved:
            damping = i == j and all(n % 2 == 0 for n in alpha) and sign_of((-1) ** (order // 2 + 1) * c).holds
            if not damping:
                return None
    if p.order > 1:
        how = (
            "dispersive: the principal part has constant coefficients and a symbol that does not grow, what depends on "
        )
        how += "the state is symmetric and of first order"
    else:
        how = "symmetric hyperbolic"
    return Law(NAME, "proved", f"{how}: the energy estimate closes in H^s", f"{_LOCAL}, and so their gradients")


def _hyperbolic(p: Principal) -> Law | None:
    if p.order != 1 or any(p.held(c) > 0 for *_, alpha, c in p.terms() if sum(alpha) == 1):
        return None
    axes = [tuple(int(a == x) for x in range(len(p.state.axes))) for a in range(len(p.state.axes))]
    parts = [p.matrix(alpha) for alpha in axes]
    for name, symmetriser in _symmetrisers(p, parts):
        if not all(_symmetrised(symmetriser, rows) for rows in parts):
            continue
        law = _where_positive(
            symmetriser, f"symmetric hyperbolic, symmetriser {name}", f"{_LOCAL}, and so their gradients"
        )
        if law is not None:
            return law
    return None


def _wave(p: Principal) -> Law | None:
    fields = p.state.fields
    if len(fields) != 2 or p.order != 2:
        return None
    for q, v in ((0, 1), (1, 0)):
        speed, force = p.of.get((q, v), {}), p.of.get((v, q), {})
        zero = (0,) * len(p.state.axes)
        simple = (q, q) not in p.of and set(speed) == {zero} and p.constant(speed[zero])
        others = [(alpha, c) for alpha, c in p.of.get((v, v), {}).items() if sum(alpha)]
        smooth = all(p.held(c) <= 1 for alpha, c in force.items() if sum(alpha) == 2)
        if not simple or others or not smooth or any(j.order for _, c in force.items() for j in jets_of(c, fields[v])):
            continue
        rows = _quadratic_form({alpha: speed[zero] * c for alpha, c in force.items()}, len(zero))
        how = "quasilinear wave equation u_tt = a_ij u_ij + ..: a is positive definite"
        return _where_positive(rows, how, f"{_LOCAL}, and so their gradients")
    return None


def _where_positive(rows: Matrix, how: str, detail: str) -> Law | None:
    """Proved where a matrix is positive at every state, conditional where that depends on it, None where undecided."""
    signs = signs_of_matrix(rows)
    if all(s.verdict == "positive" and not s.by_points for s in signs):
        return Law(NAME, "proved", how, detail)
    if any(s.verdict in ("negative", "zero") for s in signs) or all(s.verdict != "depends" for s in signs):
        return None
    needs = " and ".join(f"{show(s.expr)} > 0" for s in signs if s.verdict != "positive")
    return conditional(NAME, f"{how}, where that holds", needs, [s.expr for s in signs if s.verdict != "positive"])


def _symmetrisers(p: Principal, parts: Sequence[Matrix]) -> Iterator[tuple[str, Matrix]]:
    if len(p.state.fields) == 2 and len(parts) == 1:
        ((_, a), (b, _)) = parts[0]
        both = sign_of(a * b)
        if both.verdict == "positive" and not both.by_points:
            positive = sign_of(a).verdict == "positive"
            s = 1 if positive else -1
            yield "diag(a_21, a_12)", [[s * b, sp.S.Zero], [sp.S.Zero, s * a]]
    energy, fields = p.state.hamiltonian, p.state.fields
    if not any(j.order for j in jets_of(energy, *fields)) and not channels.has_maps(energy):
        slopes = [Partials(p.state.covectors[i]) for i in range(len(fields))]
        yield "H''", [[slope.along(jet(v)) for v in fields] for slope in slopes]


def _symmetrised(symmetriser: Matrix, rows: Matrix) -> bool:
    n = range(len(rows))
    product = [[sp.Add(*(symmetriser[i][k] * rows[k][j] for k in n)) for j in n] for i in n]
    return all_zero(product[i][j] - product[j][i] for i in n for j in range(i)).proved


def in_energy_space(state: State) -> Law | None:
    """z_t = (J - M) dQ + (J - M) dV with constant J and M, and Q = sum c (D^alpha u)^2 with c >= 0.

    Q controls field i in H^(r_i); with constant coefficients also D^s z. The linear part does not grow in that norm:
    where Q has no mass term of field i it is added, which takes ord L_ij <= r_i + r_j. The rest is a bounded
    perturbation where a derivative of z_j in equation i has at most the order r_j - R_i, R_i the highest derivative of
    field i in Q (r_i, unless the sign of its weight is open). Raises TooLarge.
    """
    forms = [form for form in (state.bracket, state.metric) if form is not None]
    if state.entropy is not None or not all(form.constant() for form in forms):
        return None
    if channels.has_maps(state.hamiltonian) or any(channels.has_maps(form.density) for form in forms):
        return None
    quadratic, rest = _squares(state)
    control = [_control(quadratic, jet(u)) for u in state.fields]
    linear, bounded = (_driven(state, functional_derivatives(density, state.fields)) for density in (quadratic, rest))
    fields = state.fields
    for i, (u, row, other) in enumerate(zip(fields, linear, bounded, strict=True)):
        massive = sign_of(_weight(quadratic, jet(u))).verdict == "positive"
        for j in jets_of(row, *fields):
            if not massive and j.order > control[i] + control[fields.index(j.base)]:
                return None
        highest = max((j.order for j in jets_of(quadratic, u)), default=0)
        if any(j.order > control[fields.index(j.base)] - highest for j in jets_of(other, *fields)):
            return None
    how = "semilinear: the linear part conserves or lowers a norm of the fields, the rest is bounded in it"
    return Law(NAME, "proved", how, _LOCAL)


def _squares(state: State) -> tuple[sp.Expr, sp.Expr]:
    """The terms c (D^alpha u)^2 with constant c >= 0, and the others."""
    squares: list[sp.Expr] = []
    rest: list[sp.Expr] = []
    for term in sp.Add.make_args(expand(state.hamiltonian)):
        held = jets_of(term, *state.fields)
        factor = term / held[0] ** 2 if len(held) == 1 else sp.S.NaN
        fits = not jets_of(factor) and not any(x in factor.free_symbols for x in state.coordinates)
        (squares if len(held) == 1 and fits and sign_of(factor).holds else rest).append(term)
    return sp.Add(*squares), sp.Add(*rest)


def _weight(quadratic: sp.Expr, j: Jet) -> sp.Expr:
    return expand(quadratic.diff(j).diff(j))


def _control(quadratic: sp.Expr, u: Jet) -> int:
    """The largest r with D_x^r u in Q for every axis x, with a positive weight."""
    axes = u.base.args[1:]
    orders = {sum(j.orders) for j in jets_of(quadratic, u.base)}
    pure: Callable[[int, sp.Symbol], Jet] = lambda r, x: jet(u.base, *[x] * r)
    fit = [r for r in orders if all(sign_of(_weight(quadratic, pure(r, x))).verdict == "positive" for x in axes)]
    return max(fit, default=0)


def _driven(state: State, covectors: Sequence[sp.Expr]) -> list[sp.Expr]:
    """(J - M) applied to covectors."""
    rows = [sp.S.Zero] * len(state.fields)
    for form, sign in ((state.bracket, 1), (state.metric, -1)):
        if form is not None:
            rows = [a + sign * b for a, b in zip(rows, form.apply(covectors), strict=True)]
    return [expand(row) for row in rows]
