"""``derive`` of a matrix memory: equations by the one variation, the form of a token, contraction and causality.

With the generator A of a token, dS/dt = A S + a b, |S|^2 = sum S_kv^2 changes at the rate 2 <S, A S> without the write;
A + A^T = -2 (D + beta k k^T), since a rotation is skew: |S| never grows where D >= 0 and beta >= 0, for any tokens, nor
does it under a product of such steps in whatever order.
"""

from __future__ import annotations

from dataclasses import replace

import sympy as sp

from metrigen.errors import SpecError
from metrigen.physics.conditions import conditional
from metrigen.physics.declared import stated
from metrigen.physics.derivation import Derivation, Law
from metrigen.physics.jets import to_jets
from metrigen.physics.laws import structure_laws
from metrigen.physics.memory_form import Token, refused, token_of
from metrigen.physics.preconditions import check_integrator
from metrigen.physics.report import show, violation
from metrigen.physics.signs import Sign, condition, sign_of
from metrigen.physics.state import build_state, equations
from metrigen.spec.contract import contract
from metrigen.spec.neural import learned_functions
from metrigen.spec.readout import EnergyDensity, StressEnergy
from metrigen.spec.symbols import Param
from metrigen.spec.system import System

_HOW = "A + A^T = -2 (D + beta k k^T), a rotation is skew: |S| does not grow without a write, whatever the tokens are"


def derive_memory(system: System) -> Derivation:
    """Equations and laws. Raises SpecError for what has no emitted form, StructureError for what does not contract."""
    _check_parts(system)
    state = build_state(system)
    token = token_of(state)
    laws = structure_laws(replace(state, entropic=None))
    derivation = Derivation(
        system=system,
        structure=state.structure,
        momenta={},
        velocities={},
        equations=dict(zip(state.fields, equations(state), strict=True)),
        stress_energy={},
        currents={},
        laws=(*laws, _contraction(token), _causality(), *_splitting(token)),
        steady_state=None,
        step_limit=None,
    )
    check_integrator(derivation)
    return derivation


def memory_token(derivation: Derivation) -> Token:
    """The generator of a token of a derived memory."""
    return token_of(build_state(derivation.system))


def _check_parts(system: System) -> None:
    for part in ("lagrangian", "temperature", "symmetries", "casimirs", "constraints"):
        if getattr(system, part):
            raise refused(
                f"{part}= of a matrix memory has no emitted form",
                "a memory is the flow of an energy that its tokens set",
                "hamiltonian= with metric= (and bracket=) alone",
                part,
            )
    for part, expr in stated(system):
        if part in ("bracket", "metric") and expr.has(contract):
            raise refused(
                f"contract() in {part}= has no emitted form",
                "what a token subtracts along k stands in the energy",
                "beta*(contract(k, S) - v)**2/2 in the energy, F[S]*G[S] in the metric",
                part,
            )
        for s in sorted(expr.atoms(Param), key=lambda s: str(s.name)):
            if s.per not in ("scalar", "channel") or s.is_matrix:
                raise refused(
                    f"{s.name} is a matrix"
                    if s.is_matrix
                    else f"the parameter {s.name} has one number for each {s.per}",
                    "a memory has one number a head, or one for all; heads do not mix",
                    f'Param("{s.name}", per="channel"), or Input("{s.name}", tokens)',
                    s.name,
                )
    densities = [e for e in (system.hamiltonian, system.entropy) if e is not None]
    if any(learned_functions(e) for e in densities):
        raise refused(
            "a memory with a learned function has no emitted form",
            "the kernels of a scan call no module",
            "hand its value in as an Input: a module computes all tokens at once",
        )


def _contraction(token: Token) -> Law:
    doubts: list[Sign] = []
    for value in dict.fromkeys((*token.decay, token.beta)):
        sign = sign_of(to_jets(value))
        if sign.verdict == "negative":
            raise violation(
                "the state grows without a write",
                law="contraction",
                residual=to_jets(value),
                part="hamiltonian",
                why=f"it decays at the rate {show(to_jets(value))}, which is not positive",
                witness=sign.witness,
                fix="lam*S**2/2 with lam = Input(..., nonnegative=True), and the metric F[S]*G[S]",
            )
        doubts += [] if sign.holds and not sign.by_points else [sign]
    if not doubts:
        return Law("contraction", "proved", _HOW)
    needed = " and ".join(dict.fromkeys(condition(sign) for sign in doubts))
    return conditional("contraction", _HOW, needed, [sign.expr for sign in doubts])


def _causality() -> Law:
    return Law(
        "causality", "proved", "the state after a token is made from the state before it and from its own inputs"
    )


def _splitting(token: Token) -> tuple[Law, ...]:
    held = {
        "decay": not token.splits_decay and any(d != 0 for d in token.decay),
        "rank one": token.ranked,
        "write": token.writes,
        "rotation": not token.splits_rotation and token.rotate != 0,
    }
    inner = ", ".join(part for part, there in held.items() if there)
    if not token.split:
        return (Law("token", "proved", f"exact: one exponential of {inner}, everything held over the token"),)
    outer = " and ".join(token.split)
    how = (
        f"Strang splitting of second order in the token: half of the {outer}, the exact flow of {inner}, the other half"
    )
    return (Law("token", "proved", how, "every part is exact, and a contraction where the whole is"),)


def check_readout(readout: object) -> None:
    """Raise SpecError where the readout of a memory is no contraction of its fields, or that and the energy density."""
    if isinstance(readout, sp.Expr) or (
        isinstance(readout, tuple)
        and len(readout) == 2
        and isinstance(readout[0], sp.Expr)
        and isinstance(readout[1], EnergyDensity)
    ):
        return
    kept = "a layer that returned the state after every token would keep T matrices"
    flux = "a token has a density of energy, and no axis along which it flows"
    raise SpecError(
        f"readout={readout!r} of a matrix memory has no emitted form",
        part="readout",
        why=kept if readout is None else flux if isinstance(readout, StressEnergy) else "what is read has a query q",
        fix='readout=contract(q, S) with q = Input("q", tokens, axes=("key",)), or (contract(q, S), energy_density())',
        see="memory",
    )
