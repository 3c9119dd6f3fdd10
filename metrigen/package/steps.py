"""What a reader is told of the steps of a layer: the time step against its limit, and what the backward pass keeps."""

from __future__ import annotations

import sympy as sp

from metrigen.emit.notation import text
from metrigen.errors import Warned
from metrigen.layers.layer import Layer
from metrigen.package.fourier import chosen_dt, limit_value
from metrigen.physics.derivation import Derivation
from metrigen.physics.step_bounds import largest_limit, largest_step, smallest_limit


def step_warning(derivation: Derivation) -> Warned | None:
    """The time step is above its limit at the declared start, or may be taken there by learning."""
    found = _step_and_limit(derivation)
    if found is None:
        return None
    dt, limit, most = found
    if most <= smallest_limit(derivation.step_limit):
        return None
    method = type(derivation.system.integrator).__name__
    finer = f"dt below {limit:.4g} and more steps, or ImplicitMidpoint, which has no limit"
    if dt > limit:
        return Warned(
            f"dt = {dt:g} is above the step limit {limit:.4g} at the declared start: short waves grow",
            part="integrator",
            why=f"the limit of {method} is {text(derivation.step_limit)}",
            fix=finer,
        )
    learned = sp.sympify(derivation.system.stepper.dt).free_symbols
    if not learned or (most.is_finite and most <= limit):
        return None
    names, bound = ", ".join(sorted(s.name for s in learned)), "nothing keeps dt below"
    if most.is_finite:
        bound = f"dt is kept below {float(most):g}, not below"
    return Warned(
        f"{names} is learned and {bound} its step limit, {limit:.4g} at the declared start (dt = {dt:g} there)",
        part="integrator",
        why=f"the limit of {method} is {text(derivation.step_limit)}; an optimiser may take dt above it",
        fix=f'Param("{names}", positive=True, below={0.9 * limit:.2g}, init={dt:g}), and below= for the coefficients',
    )


def step_notes(derivation: Derivation) -> list[str]:
    """One line on a time step that is below its limit."""
    found = _step_and_limit(derivation)
    if found is None or step_warning(derivation) is not None:
        return []
    dt, limit, most = found
    learned = sp.sympify(derivation.system.stepper.dt).free_symbols
    moves = f"the step limit {limit:.4g} at the declared start, which moves with what is learned"
    if most <= smallest_limit(derivation.step_limit):
        return [
            f"dt = {dt:g} is at most {float(most):g}, and so below its step limit for every value of the parameters"
        ]
    if learned:
        return [f"dt is kept below {float(most):g}, within {moves}"]
    moving = sp.sympify(derivation.step_limit).free_symbols
    if moving and not largest_limit(derivation.step_limit).is_finite:
        return [f"dt = {dt:g} is below {moves}"]
    return []


def _step_and_limit(derivation: Derivation) -> tuple[float, float, sp.Expr] | None:
    """dt and its limit at the declared start, and the largest dt that the parameters allow; None where not known."""
    if derivation.step_limit is None:
        return None
    dt, limit = chosen_dt(derivation), limit_value(derivation, {})
    if dt is None or limit is None:
        return None
    return dt, limit, largest_step(derivation.system.stepper.dt)


def backward_memory(layer: Layer) -> str:
    """Half a sentence: what is kept for the backward pass, and what is computed again."""
    if layer.programs.equations:
        return (
            "keeps the states of all steps and the solutions of their equations (a solution costs more than it holds)"
        )
    if layer.obstacle:
        return "keeps the states of all steps and what autograd needs between them"
    if layer.source.spec.system.stepper.is_reversible(layer.source.derivation):
        return "keeps the first state and recomputes the others from it (the step is reversible)"
    return (
        "keeps the first state as a checkpoint and recomputes the others from it (the step is not reversible: it is "
        "never run backwards)"
    )
