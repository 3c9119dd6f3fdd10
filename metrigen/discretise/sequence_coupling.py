"""The coupling of the channels of a sequence cell: antisymmetric matrices in blocks, one a field.

    u_t = ... + b B dH/du,   dH/du = s (u - f)    the generator h b s B of a rotation about the fixed point f

b and s are one number for all channels, so that R = Cayley(h b s B/2) is orthogonal in the norm x.P x of the energy;
neither they, nor B, nor h depend on the tokens, so that R is formed once for a whole sequence.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.errors import SpecError
from metrigen.physics import channels
from metrigen.physics.derivation import Bilinear, Derivation
from metrigen.physics.jets import jet, jets_of, to_jets
from metrigen.physics.report import show, show_form
from metrigen.physics.variation import euler_jets
from metrigen.spec.symbols import Param, mix

# A token costs as many operations a channel and field as a block has channels.
LARGEST_BLOCK = 64


@dataclass(frozen=True)
class ChannelRotation:
    """The rotation of the channels of ``field`` over a token: Cayley(``angle`` ``matrix``)."""

    field: str
    matrix: Param
    angle: sp.Expr


def rotations_of(derivation: Derivation) -> tuple[ChannelRotation, ...]:
    """The rotations of a cell in the order of its fields. Raises SpecError for a coupling that is no rotation."""
    structure = derivation.structure
    if channels.has_maps(structure.hamiltonian):
        raise _refused("a drive or an energy that mixes channels", "H is a sum over the channels, each by itself")
    if structure.metric is not None and channels.has_maps(structure.metric.form):
        raise _refused("a metric bracket that mixes channels", "friction acts on every channel by itself")
    bracket = structure.bracket
    if bracket is None or not channels.has_maps(bracket.form):
        return ()
    density = to_jets(bracket.form)
    found = []
    for u, left in zip(structure.fields, bracket.left, strict=True):
        row = sp.expand(channels.canonical(euler_jets(density, left)))
        terms = [term for term in sp.Add.make_args(row) if channels.has_maps(term)]
        if terms:
            found.append(_rotation(derivation, bracket, u, terms))
    return tuple(found)


def _rotation(derivation: Derivation, bracket: Bilinear, u: AppliedUndef, terms: list[sp.Expr]) -> ChannelRotation:
    own = jet(dict(zip(derivation.structure.fields, bracket.right, strict=True))[u])
    factors: dict[Param, sp.Expr] = {}
    for term in terms:
        factor, rotated = term.as_independent(mix)
        fits = isinstance(rotated, mix) and isinstance(rotated.args[0], Param) and rotated.args[1] == own
        if not fits or jets_of(factor) or not channels.is_scalar(factor):
            raise _unfit(derivation, bracket, u, term)
        factors[rotated.args[0]] = factors.get(rotated.args[0], sp.S.Zero) + factor
    if len(factors) > 1:
        raise SpecError(
            f"{u.func.__name__} is rotated by {' and '.join(matrix.name for matrix in factors)}",
            part="bracket",
            why="a token rotates a field once; the product of two rotations is not that of the sum of their matrices",
            fix="one matrix a field: the sum of two antisymmetric matrices is one",
            see="sequence-coupling",
        )
    ((matrix, factor),) = factors.items()
    _check_matrix(matrix)
    return ChannelRotation(u.func.__name__, matrix, factor * _stiffness(derivation, u) * _step(derivation, matrix) / 2)


def _unfit(derivation: Derivation, bracket: Bilinear, u: AppliedUndef, term: sp.Expr) -> SpecError:
    name, shown = u.func.__name__, show_form(term, G=(bracket.right, derivation.structure.fields))
    if any(j not in jets_of(term, *bracket.right) for j in jets_of(term)):
        return SpecError(
            "a coupling of channels that the tokens choose has no emitted form",
            part="bracket",
            why=f"the row of {name} holds {shown}: a linear solve at every token would form its rotation",
            fix=f"a number or a scalar Param times mix(B, G[{name}]); let tokens choose what acts in every channel by "
            "itself",
            see="sequence-coupling",
        )
    return SpecError(
        f"the coupling {shown} of channels in the row of {name} has no emitted form",
        part="bracket",
        why="a token is the exact flow of every channel by itself, then a rotation of the channels of a field",
        fix=f'F[{name}]*mix(B, G[{name}]) with B = Param("B", shape=("C", "C"), block=8, antisymmetric=True), for one '
        "field or for each",
        see="sequence-coupling",
    )


def _check_matrix(matrix: Param) -> None:
    if not matrix.antisymmetric:
        raise SpecError(
            f"{matrix.name} is not antisymmetric by its declaration",
            part=matrix.name,
            why="the rotation (1 - B)^-1 (1 + B) is orthogonal for every value of the weights only then",
            fix=f'Param("{matrix.name}", shape=("C", "C"), block=8, antisymmetric=True)',
            see="sequence-coupling",
        )
    if matrix.block is None or matrix.block > LARGEST_BLOCK:
        size = "all channels" if matrix.block is None else f"blocks of {matrix.block} channels"
        raise SpecError(
            f"{matrix.name} couples {size} of a sequence",
            part=matrix.name,
            why="every token multiplies by it, one after the other: the work a channel grows with the block, which "
            f"has at most {LARGEST_BLOCK} channels",
            fix=f'Param("{matrix.name}", shape=("C", "C"), block=8, antisymmetric=True); a linear layer before the '
            "cell and one after it mix all channels",
            see="sequence-coupling",
        )


def _stiffness(derivation: Derivation, u: AppliedUndef) -> sp.Expr:
    """s of dH/du = s (u - f), the same number in every channel."""
    density = sp.expand(derivation.structure.hamiltonian)
    held = [v for v in derivation.structure.fields if v != u and density.diff(u, v) != 0]
    s = sp.expand(density.diff(u, 2))
    if held or not channels.is_scalar(s):
        why = f"d^2H/d{u.func.__name__}^2 = {show(s)} differs from channel to channel"
        if held:
            why = f"H holds a product of {u.func.__name__} and {held[0].func.__name__}"
        raise SpecError(
            f"the channels of {u.func.__name__} do not rotate in the norm of the energy",
            part="hamiltonian",
            why=f"{why}; a rotation of channels keeps |{u.func.__name__}|^2 alone",
            fix="H = (q**2 + p**2)/2 with the drive; put what differs from channel to channel into bracket and metric",
            see="sequence-coupling",
        )
    return s


def _step(derivation: Derivation, matrix: Param) -> sp.Expr:
    dt = sp.sympify(derivation.system.stepper.dt)
    if not channels.is_scalar(dt):
        raise SpecError(
            f"dt={dt} with the coupling {matrix.name} of channels",
            part="integrator",
            why="channels that rotate together share one time, and one rotation serves all tokens",
            fix="a number or a scalar Param as dt; let tokens and channels choose the rates in bracket and metric",
            see="sequence-coupling",
        )
    return dt


def _refused(what: str, why: str) -> SpecError:
    return SpecError(
        f"{what} on a sequence has no emitted form",
        part="domain",
        why=f"{why}; its exponential would be that of a 2C x 2C matrix at every token",
        fix="mix the inputs by a linear layer before the cell and the readout by one after it; channels are coupled by "
        "a rotation in the bracket, F[p]*mix(B, G[p])",
        see="sequence-coupling",
    )
