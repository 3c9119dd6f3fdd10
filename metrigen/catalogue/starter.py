"""The text of a new spec: a short one to begin with, or one of the gallery under another name."""

from __future__ import annotations

import ast

from metrigen.catalogue import gallery
from metrigen.errors import SpecError
from metrigen.spec.names import check_system_name

STARTER = '''"""A damped wave with a self-interaction: u_tt = c2 lap u - m2 u - lam u^3 - gamma u_t.

Energy flows out by friction alone: dH/dt = -gamma int u_t^2.
"""

import sympy as sp

from metrigen import Field, Lattice, Param, Strang, System, grad, momentum, stress_energy, t

# Where the fields live. Sizes are no part of a spec: a layer runs on any grid.
x, y = sp.symbols("x y", real=True)
grid = Lattice(x, y, boundary="periodic")  # or "zero", "neumann"

# The state: a field with C channels, and its conjugate momentum.
u = Field("u", grid)
p = momentum(u)

# What is learned; a declared sign holds for every value of the weights.
c2 = Param("c2", per="channel", positive=True, below=2.0, init=1.0)
m2 = Param("m2", per="channel", nonnegative=True, below=1.0, init=0.1)
lam = Param("lam", per="channel", nonnegative=True, init=0.1)
gamma = Param("gamma", per="channel", nonnegative=True, init=0.1)

system = System(
    name="{name}",
    domain=grid,
    # Kinetic minus potential energy; everything else follows from this density.
    lagrangian=u.diff(t) ** 2 / 2 - c2 * grad(u).square / 2 - m2 * u**2 / 2 - lam * u**4 / 4,
    bracket=lambda F, G: F[u] * G[p] - F[p] * G[u],  # F[u] is the functional derivative dF/du
    metric=lambda F, G: gamma * F[p] * G[p],  # friction on the momentum
    integrator=Strang(steps=8, dt=0.25),
    readout=stress_energy(),
)
'''


def new_spec(name: str, like: str | None) -> str:
    """The text of a spec of that name. Raises SpecError for a name that no system can have, or that no spec of the
    gallery has."""
    check_system_name(name)
    return STARTER.replace("{name}", name) if like is None else _renamed(gallery.text(like), name)


def _renamed(text: str, name: str) -> str:
    """A spec with another ``name=`` of its system; nothing else changes."""
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    systems = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "System"]
    values = [k.value for call in systems for k in call.keywords if k.arg == "name"]
    if len(values) != 1 or values[0].end_col_offset is None:
        raise SpecError(
            "the system of this spec has no name= to change",
            fix="copy the file and rename it by hand",
            see="one-system",
        )
    (value,) = values
    lines = text.splitlines(keepends=True)
    row = lines[value.lineno - 1].encode()
    changed = row[: value.col_offset] + f'"{name}"'.encode() + row[value.end_col_offset :]
    lines[value.lineno - 1] = changed.decode()
    return "".join(lines)
