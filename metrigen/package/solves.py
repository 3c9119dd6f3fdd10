"""What DERIVATION.md says of equations that a layer solves: constraints, implicit steps, nonlinear steady states."""

from __future__ import annotations

from metrigen.discretise.steady_programs import NonlinearSteady
from metrigen.layers.layer import Layer
from metrigen.package.assembly import Package

_MINIMUM = (
    "dF = 0 for a convex F: Newton's method with conjugate gradient inside, every plane (every sample where channels "
    "are coupled) by itself; a step is halved until it lowers ||dF||. `iterations` counts products with F''. Gradients "
    "are those of the solution, one solve with F'' each (implicit function theorem), and can be differentiated again. "
    "The layer runs the torch reference throughout."
)


def solve_sections(package: Package) -> list[tuple[str, str]]:
    """What DERIVATION.md says of the solves."""
    return [*_elliptic(package), *_implicit(package)]


def _implicit(package: Package) -> list[tuple[str, str]]:
    layer = package.layer
    if isinstance(layer.lowered.evolution, NonlinearSteady):
        return [("Nonlinear steady state", _MINIMUM)]
    if not layer.programs.equations:
        return []
    what = (
        "every sample, whose channels are coupled,"
        if any(e.coupled for e in layer.programs.equations)
        else "every plane"
    )
    text = (
        "A step is the solution of an equation R = 0 in the fields after it. Newton's method starts at the state "
        f"before the step and stops for {what} by itself at a residual of 4e-16 of the state in float64, 2e-7 in "
        "float32, or where rounding lets it gain no more; its linear equations are solved by GMRES. `iterations`, "
        "`residual` and `status` (0 solved, 1 not) of the returned state say per sample what became of it, with one "
        "warning a call; a residual above 1e-11 in float64, 1e-4 in float32, counts as not solved. Gradients are those "
        "of the solution, by one linear solve with the transposed Jacobian (implicit function theorem), to 1e-13 in "
        "float64, 1e-6 in float32, and can be differentiated again. "
    )
    return [("Implicit step", text + (package.remarks or "The layer runs the torch reference throughout."))]


def _elliptic(package: Package) -> list[tuple[str, str]]:
    layer = package.layer
    if not layer.programs.constraints:
        return []
    names = ", ".join(f"`{name}`" for name in _auxiliary(layer))
    equations = layer.lowered.dynamics.lowering.equations
    singular = [f"`{psi.func.__name__}`" for psi, equation in equations.items() if equation.singular]
    text = (
        f"Auxiliary fields: {names}. Their constraints are discretised in the weak form, so the matrix A of each is "
        f"symmetric, and solved wherever the field is read, at every stage of a step: {_ways(layer)}. The "
        "energy is varied with the solution put in, dH/dz = E_z(h) + (dr/dz)^T A^-1 E_psi(h): what the bracket keeps "
        "on the lattice is kept to that accuracy. Gradients are those of the solution, with one more solve by the same "
        f"A for every solve. {package.remarks or 'The layer runs the torch reference throughout.'}"
    )
    if singular:
        text += (
            f" The constants are in the kernel of the operator of {', '.join(singular)}: the mean over the sites of "
            "the right side is dropped, and the solution has zero mean, in every channel."
        )
    return [("Elliptic constraints", text)]


def _ways(layer: Layer) -> str:
    """How the constraints are solved."""
    waves, rest = bool(layer.programs.eigenvalues), len(layer.programs.eigenvalues) < len(layer.programs.constraints)
    direct = (
        "directly, to rounding, by the waves that the emitted stencil multiplies by a number each, found by fast "
        "Fourier transforms"
    )
    iterated = (
        "by conjugate gradient from zero, to a residual of 1e-12 of the right side r in float64, 1e-6 in float32, or "
        "to the end of the precision"
    )
    if waves and rest:
        return f"{direct}, where there are such waves, else {iterated}"
    return direct if waves else iterated


def _auxiliary(layer: Layer) -> list[str]:
    return [psi.func.__name__ for psi in layer.source.derivation.constraints]
