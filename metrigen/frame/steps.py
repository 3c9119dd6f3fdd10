"""What a reader is told of the steps of a layer: the time step against its limit, and what the backward pass keeps."""

from __future__ import annotations

from metrigen.frame.emission import Emission
from metrigen.frame.waves import chosen_dt, limit_value
from metrigen.physics.clamps import largest_limit, largest_step, smallest_limit


def step_warnings(emission: Emission) -> list[str]:
    """One line where the time step is above its limit at the declared start, or may be taken there by learning."""
    derivation = emission.derivation
    dt, limit = chosen_dt(derivation), limit_value(derivation, {})
    if dt is None or derivation.step_limit is None or limit is None:
        return []
    most, least = largest_step(derivation.system.integrator.dt), smallest_limit(derivation.step_limit)
    if most <= least:
        return [
            f"dt = {dt:g} is at most {float(most):g}, and so below its step limit for every value of the parameters"
        ]
    if dt > limit:
        return [f"WARNING: dt = {dt:g} is above the step limit {limit:.4g} at the declared start: short waves grow"]
    learned = derivation.system.integrator.dt.free_symbols
    if learned:
        names, bound = ", ".join(sorted(s.name for s in learned)), "nothing keeps dt below"
        if most.is_finite:
            bound = f"dt is kept below {float(most):g}, not below"
        if not most.is_finite or most > limit:
            return [
                f"WARNING: {names} is learned and {bound} its step limit, {limit:.4g} at the declared start "
                f"(dt = {dt:g} there)"
            ]
        return [
            f"dt is kept below {float(most):g}, within the step limit {limit:.4g} at the declared start, which moves "
            "with what is learned"
        ]
    if not largest_limit(derivation.step_limit).is_finite and derivation.step_limit.free_symbols:
        return [
            f"dt = {dt:g} is below the step limit {limit:.4g} at the declared start, which moves with what is learned"
        ]
    return []


def backward_memory(emission: Emission) -> str:
    """Half a sentence: what is kept for the backward pass, and what is computed again."""
    integrator = emission.spec.system.integrator
    if emission.equations:
        return (
            "keeps the states of all steps and the solutions of their equations (a solution costs more than it holds)"
        )
    if emission.without_triton:
        return "keeps the states of all steps and what autograd needs between them"
    if integrator.is_reversible(emission.derivation):
        return "keeps the first state and recomputes the others from it (the step is reversible)"
    return (
        "keeps the first state as a checkpoint and recomputes the others from it (the step is not reversible: it is "
        "never run backwards)"
    )
