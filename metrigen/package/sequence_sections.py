"""What DERIVATION.md says of a sequence beyond the continuum: the step of a token, the scan, the readout, the cost."""

from __future__ import annotations

import sympy as sp

from metrigen.emit.notation import text
from metrigen.integrators.scan import ACTION, OVERLAP, Scan, operations
from metrigen.ir.nodes import Load
from metrigen.layers.counts import traffic
from metrigen.package.assembly import Package


def sequence_sections(package: Package) -> list[tuple[str, str]]:
    """(title, Markdown) in reading order."""
    scan = package.layer.lowered.scan
    return [
        ("One token", _token(scan)),
        ("Scan", _scan(package) if scan.rotations else _SCAN),
        ("Readout", _readout(scan)),
        ("Cost per state element", _cost(scan)),
    ]


def _scan(package: Package) -> str:
    missing = [f"Backend {name} {why}." for name, why in package.without.items()]
    return " ".join(filter(None, [_COUPLED, *missing, package.remarks]))


def _plain(e: sp.Expr) -> str:
    """An expression of arrays in plain characters."""
    return text(e.xreplace({s: sp.Symbol(s.name.split("__")[0], real=True) for s in e.atoms(Load)}))


def _token(scan: Scan) -> str:
    cell, found = scan.cell, scan.propagation
    names = [a.name for a in cell.state]
    rows = [f"A = [{'; '.join(', '.join(_plain(e) for e in row) for row in cell.A)}]", f"h = {_plain(cell.dt)}"]
    rows += [f"fixed point {u} = {_plain(f)}" for u, f in zip(names, cell.fixed, strict=True)]
    if len(names) == 1:
        form = "E = exp(h A)."
    elif found.rotating:
        form = (
            "The oscillator rotates by the angle h w and shrinks by e^(h s): E is written in cos and sin of that angle."
        )
    else:
        form = (
            "E = e^(h s) [c_0(z) + c_1(z) h (A - s)] with s = tr A/2, z = h^2 det(A - s) and "
            "c_k(z) = sum_n (-z)^n/(2n + k)!: one formula, entire in z, for oscillating (z > 0), critical (z = 0) and "
            "overdamped (z < 0) tokens."
        )
    once = " The tokens do not change it: it is made once from the parameters." if found.constant else ""
    if cell.rotations:
        once += (
            " Then the channels of a field rotate about that point, x <- f + R E (x - f), R = (1 - s B)^-1 (1 + s B): "
            + ", ".join(
                f"{rotation.field} by {rotation.matrix.name} with s = {_plain(rotation.angle)}"
                for rotation in cell.rotations
            )
            + ". R is orthogonal and made once from the parameters. The order matters where the channels of a block "
            "differ in E: each part is exact, the product is of first order in h."
        )
    return (
        f"State ({', '.join(names)}), x' = A (x - f) with everything held over the token, stepped exactly: "
        f"x <- f + E (x - f). {form}{once}\n\n```text\n" + "\n".join(rows) + "\n```"
    )


_SCAN = (
    "The token axis is the time: the state after token t depends on tokens up to t alone. On the CPU a sample is "
    "taken token by token, a vector of channels at a time. On a GPU a sequence is cut into chunks where samples and "
    "channels do not fill the device: the linear map of every chunk, a scan over the chunks, and every chunk again "
    "from its own start. Backward g_t = y_t + E_(t+1)^T g_(t+1), the same scan against the time; what flows into "
    "inputs and parameters is the variation of one step, seeded with g_t. The states are kept, as they are the "
    "result; the exponentials are made again."
)
_COUPLED = (
    "The token axis is the time: the state after token t depends on tokens up to t alone. Coupled channels are scanned "
    "token by token. Backward g_t = y_t + E_(t+1)^T R^T g_(t+1) against the time; what flows into inputs and "
    "parameters is the variation of one step, seeded with g_t. The states are kept, as they are the result; "
    "exponentials and what they move are made again."
)
_ENERGY = "T00 = x.P x/2 is the energy of an oscillator without that of its drive: the norm that no step increases."
_OVERLAP = "M = x_(t-1).P x_t is the same form between a token and the one before."
_ACTION = (
    "J = q_(t-1) p_t - p_(t-1) q_t is the area that the two states span, the symplectic form between them. For |x|^2 "
    "the two energies, M and J are all the quadratic invariants of two states under a common rotation: M + iJ = "
    "conj(a_(t-1)) a_t with a = q + ip. For a free oscillator that rotates by w and shrinks by r, M = 2 E r cos w and J"
    " = -2 E r sin w with the energy E before the token: to first order in w the area J is -2 times w E, the "
    "generator of the rotation that the token is."
)
_STATES = "These are functions of the states alone; with a drive none of them is conserved."
_NORMALISED = "Normalised: a = sqrt(T00 + eps), the others divided by it, of degree one in the state."


def _readout(scan: Scan) -> str:
    lines = [f"Components, in order along the channel axis: {', '.join(scan.components)}."]
    named = {name.removesuffix("_a") for name in scan.components}
    if named & {"T00", "a"}:
        lines.append(_ENERGY)
    if OVERLAP in named:
        lines += [_OVERLAP, *([_ACTION] if ACTION in named else []), _STATES]
    if "a" in named:
        lines.append(_NORMALISED)
    return " ".join(lines)


def _cost(scan: Scan) -> str:
    rows = ["| call | bytes (float32) |", "| --- | --- |"]
    rows += [f"| {name} | {count} |" for name, count in traffic(scan).items()]
    programs = {"step": scan.step, "step_adjoint": scan.step_adjoint}
    counts = ", ".join(f"`{name}` {operations(program)}" for name, program in programs.items())
    n = len(scan.fields)
    rotated, twice = "", "" if scan.rotations else "; in chunks a GPU reads the inputs twice"
    if scan.cell.rotations:
        each = ", ".join(f"{2 * (rotation.matrix.block or 1)} for {rotation.field}" for rotation in scan.cell.rotations)
        rotated = f" The rotation of a block adds {each} in `step`, and twice that in `step_adjoint`."
    return (
        f"A state element is the {n} field{'s' * (n > 1)} of one channel at one token, {4 * n} bytes. Every array is "
        f"moved once, as the CPU kernels do{twice}.\n\n" + "\n".join(rows)
        + f"\n\nOperations an element, a function counted as one: {counts}.{rotated}"
    )  # fmt: skip
