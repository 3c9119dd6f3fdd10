"""The steps of a layer that solve equations, by kernels or by the reference."""

from __future__ import annotations

from metrigen.package.assembly import Package


def implicit_steps(package: Package, otherwise: str) -> list[str]:
    """The lines that take the steps: the fields at the end, then iterations, residual and status of every sample.
    ``otherwise``: the condition on which the reference takes them."""
    driven = ", reference.DRIVEN" if package.layer.lowered.driven else ""
    by_reference = [
        "report = reference.Report()",
        "_evolve = partial(reference.evolve, step=partial(reference.step, report=report))",
        f"results = by_steps(_evolve, state, fixed, _span{driven})",
        "iterations, residual, status = report.finish(state[0])",
        "return (*results, iterations, residual.detach(), status)",
    ]
    if not package.registers("evolve"):
        return [*(f"    {line}" for line in by_reference), ""]
    return [
        f"    if {otherwise} or not self._takes(state[0]):",
        *(f"        {line}" for line in by_reference),
        "    keep = torch.is_grad_enabled() and any(x.requires_grad for x in (*state, *fixed))",
        f"    return by_solves(operators.evolve, state, fixed, _span, keep{driven})",
        "",
    ]
