"""The laws once more, for the programs of a graph.

A graph is discrete from the start, and B^T in a program is the transpose of the B of the energy: written out, the
varied programs are to be the derived expressions at every node of every graph, and they are compared. What then needs
a proof of its own is proved on the programs:

    graph_equations           what the programs compute is the derived rate of every field
    graph_antisymmetry        E_f[b(f, g) + b(g, f)] = 0
    graph_metric_symmetry     E_f[b(f, g) - b(g, f)] = 0
    graph_metric_psd          sum f.M f = sum b(f, f), over nodes and edges: M is the variation of b in f
    graph_energy              dH/dt = 0, <= 0, or M dH = 0 at every node
    graph_entropy_degeneracy  J dS = 0 at every node
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import sympy as sp

from metrigen.discretise.dynamics import Builder, Dynamics, RightHandSide
from metrigen.errors import REPORT, StructureError
from metrigen.ir.edges import Along, EdgeMap
from metrigen.ir.nodes import ChannelMatmul, ChannelSum, Load, Map, Program
from metrigen.ir.statement import unknown
from metrigen.passes.pipeline import BUILT, apply
from metrigen.passes.vary import bar
from metrigen.physics import channels
from metrigen.physics.clock import SUM, but_for_explicit, moves
from metrigen.physics.derivation import Bilinear, Law
from metrigen.physics.incidence import graph_zero, outermost
from metrigen.physics.jets import to_jets
from metrigen.physics.report import SYMMETRISE, identity, show
from metrigen.physics.work_budget import LAW, expand, limited
from metrigen.physics.zero import Zero, every
from metrigen.spec.edges import average, codifference, difference, share
from metrigen.spec.symbols import mix, mix_transposed, t, total

_MAPS = {
    Along.DIFFERENCE: difference,
    Along.CODIFFERENCE: codifference,
    Along.AVERAGE: average,
    Along.SHARE: share,
}


def graph_laws(dynamics: Dynamics) -> tuple[Law, ...]:
    """The laws of the emitted programs. Raises StructureError where they are not what was derived, where the bracket is
    not skew or the metric not symmetric."""
    derivation = dynamics.derivation
    laws = [_limited(_equations, dynamics)]
    if derivation.bracket is not None:
        laws.append(_limited(_symmetry, dynamics, derivation.bracket, "bracket"))
    if derivation.metric is not None:
        laws.append(_limited(_symmetry, dynamics, derivation.metric, "metric"))
        law = derivation.law("metric_psd")
        how = "sum f.M f = sum b(f, f): M is the variation of b in f; b(f, f) >= 0 as derived"
        laws.append(law.inherited("graph_metric_psd", how))
    return (*laws, *_energy(dynamics, {law.name: law for law in laws}))


def _limited(check: Callable[..., Law], *arguments: object) -> Law:
    with limited(LAW):
        return check(*arguments)


@dataclass(frozen=True)
class Written:
    """Programs written out as expressions of functions on nodes and edges. ``functions``: array -> its function."""

    functions: Mapping[str, sp.Expr]

    @classmethod
    def of(cls, dynamics: Dynamics, *bilinears: Bilinear) -> Written:
        found: dict[str, sp.Expr] = {a.name: f for f, a in dynamics.lowering.arrays.items()}
        names = {a.name for a in dynamics.params}
        for e in dynamics.derivation.densities:
            found |= {s.name: s for s in e.free_symbols if s.name in names}
        for bilinear in bilinears:
            _, left, right = dynamics.covectors(bilinear)
            found |= dict(zip((*left, *right), (*bilinear.left, *bilinear.right), strict=True))
        return cls(found)

    def out(self, program: Program, given: Mapping[str, sp.Expr] | None = None) -> dict[str, sp.Expr]:
        """The outputs of a program; ``given`` are values of its inputs that are no functions of their own."""
        values: dict[str, sp.Expr] = {**self.functions, **(given or {})}
        for statement in program.body:
            if isinstance(statement, Map):
                for symbol, expr in (*statement.lets, *statement.stores):
                    swap = {s: values[_array(s)] for s in expr.free_symbols if _array(s) in values}
                    values[_array(symbol)] = expr.xreplace(swap)
            elif isinstance(statement, EdgeMap):
                values[statement.out] = _MAPS[statement.along](values[statement.src])
            elif isinstance(statement, ChannelMatmul):
                mixed = mix_transposed if statement.transpose else mix
                values[statement.out] = mixed(values[statement.matrix], values[statement.src])
            elif isinstance(statement, ChannelSum):
                values[statement.out] = total(values[statement.src])
            else:
                raise unknown(statement, "the programs of a graph written out")
        return {name: values[name] for name in program.outputs}


def _array(symbol: sp.Symbol | str) -> str:
    if isinstance(symbol, str):
        return symbol
    return symbol.array if isinstance(symbol, Load) else symbol.name


def _vanish(exprs: Sequence[sp.Expr]) -> Zero:
    return every(graph_zero(_multiplied_out(to_jets(e))) for e in exprs)


def _multiplied_out(expr: sp.Expr) -> sp.Expr:
    """The expression with what every map acts on multiplied out, so that equal values are equal terms."""
    inner = {atom: atom.func(expand(_multiplied_out(atom.args[0]))) for atom in outermost([expr])}
    return channels.canonical(expr.xreplace(inner))


def _equations(dynamics: Dynamics) -> Law:
    """The rates of the right-hand side, term by term, against the derived ones."""
    builder = Builder(dynamics)
    state = dynamics.values
    rates = RightHandSide.of(dynamics).at(builder, state, t)
    builder.body += [Map(stores=((f"{name}__rate", rate),)) for name, rate in rates.items()]
    outputs = tuple(f"{name}__rate" for name in rates)
    program = Program("rates", dynamics.lowering.inputs, tuple(builder.body), outputs, True)
    found = Written.of(dynamics).out(apply(BUILT, program))
    tests = []
    for u, rate in dynamics.derivation.equations.items():
        defect = found[f"{dynamics.array(u)}__rate"] - rate
        tests.append(_vanish([defect]))
        if not tests[-1]:
            raise StructureError(
                f"the emitted rate of {u.func.__name__} is not the derived one", law="graph_equations",
                part="hamiltonian", residual=defect, witness=show(to_jets(defect)), fix=REPORT, see="compiler-fault",
            )  # fmt: skip
    return identity("graph_equations", "the varied programs, written out, are the derived rates", every(tests))


def _symmetry(dynamics: Dynamics, bilinear: Bilinear, part: str) -> Law:
    sign, name = (1, "graph_antisymmetry") if part == "bracket" else (-1, "graph_metric_symmetry")
    both = (*bilinear.left, *bilinear.right)
    mirrored = bilinear.form.xreplace(dict(zip(both, (*bilinear.right, *bilinear.left), strict=True)))
    sum_ = Bilinear(bilinear.form + sign * mirrored, bilinear.left, bilinear.right)
    rows = (
        []
        if sum_.form == 0
        else list(Written.of(dynamics, sum_).out(apply(BUILT, dynamics.operator(sum_, part))).values())
    )
    test = _vanish(rows)
    if not test:
        raise StructureError(
            f"the {part} breaks {name} on a graph", law=name, part=part, residual=sp.Add(*rows),
            witness=show(to_jets(next(e for e in rows if e != 0))), fix=SYMMETRISE[part],
        )  # fmt: skip
    return identity(name, f"the variation of b(f, g) {'+' if sign > 0 else '-'} b(g, f) in f vanishes", test)


def _energy(dynamics: Dynamics, of: Mapping[str, Law]) -> list[Law]:
    """What becomes of the energy, and with an entropy of the degeneracies, at every node."""
    derivation = dynamics.derivation
    skew, positive = of.get("graph_antisymmetry"), of.get("graph_metric_psd")
    entropy = derivation.system.entropy
    explicit = "(dH/dt)_z" if moves(derivation.hamiltonian) else ""
    plus, minus = (f"= {explicit} +", f"= {explicit} - ") if explicit else ("=", "= -")

    def told(law: Law, verb: str = "conserved") -> Law:
        return but_for_explicit(law, derivation.hamiltonian, verb, SUM)

    if positive is None:
        how = f"dH/dt {plus} dH.J dH = 0: the bracket is skew"
        return [] if skew is None else [told(Law("graph_energy", skew.verdict, how))]
    if entropy is None:
        weakest = skew if skew is not None and skew.verdict != "proved" else positive
        how = f"dH/dt {minus}sum dH.M dH <= {explicit or 0} by graph_metric_psd"
        return [told(weakest.inherited("graph_energy", how), "never rises")]
    assert derivation.metric is not None
    laws = [told(_degenerate(dynamics, "graph_energy", "M dH", derivation.metric, "metric", derivation.hamiltonian))]
    if derivation.bracket is not None:
        laws.append(_degenerate(dynamics, "graph_entropy_degeneracy", "J dS", derivation.bracket, "bracket", entropy))
    return laws


def _degenerate(dynamics: Dynamics, name: str, what: str, bilinear: Bilinear, part: str, density: sp.Expr) -> Law:
    """Does the operator annihilate the gradient of a functional?"""
    with limited(LAW):
        gradient = Written.of(dynamics).out(apply(BUILT, dynamics.gradient(density)))
        given = {f"{a.name}__right": gradient[bar(a.name)] for a in dynamics.state}
        image = Written.of(dynamics).out(apply(BUILT, dynamics.operator(bilinear, part)), given)
        test = _vanish(list(image.values()))
    if not test:
        defect = next(e for e in image.values() if not _vanish([e]))
        raise StructureError(
            f"{what} is not zero on a graph", law=name, part=part, residual=defect, witness=show(to_jets(defect)),
            fix="give the energy somewhere to go at the same node (a field that heats), or drop entropy= for the "
            "free-energy form",
        )  # fmt: skip
    return identity(name, f"{what} = 0 at every node, by the programs written out", test)
