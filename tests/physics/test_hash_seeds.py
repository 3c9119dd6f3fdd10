"""A derivation does not depend on the hash seed nor on what was derived before it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import sympy as sp
import zoo

from metrigen import Dissipation, Field, Graph, Lattice, Param, System, canonical, derive, grad

HERE = Path(__file__).parent
GRID, NETWORK = Lattice(zoo.x, zoo.y), Graph()


def fluid() -> System:
    """Two auxiliary fields, one the multiplier of the other."""
    w, psi, chi = (Field(name, GRID) for name in ("w", "psi", "chi"))

    def lap(f: sp.Expr) -> sp.Expr:
        return f.diff(zoo.x, 2) + f.diff(zoo.y, 2)

    return System(
        "fluid", GRID, fields=(w,), hamiltonian=psi**3, constraints={psi: lap(psi) - w, chi: lap(chi) + 3 * psi**2},
        bracket=lambda F, G: w * (F[w].diff(zoo.x) * G[w].diff(zoo.y) - F[w].diff(zoo.y) * G[w].diff(zoo.x)),
    )  # fmt: skip


def network() -> System:
    u, v = Field("u", NETWORK), Field("v", NETWORK)
    w = Param("w", per="edge", nonnegative=True)
    energy = u**4 + v**2 + w * grad(u).square + w * sp.cos(grad(u * v)[0]) + w * grad(v).square
    metric = Dissipation((w, lambda F: grad(F[u])[0]), (w, lambda F: grad(F[v] * u)[0]), (1, lambda F: F[v]))
    return System("network", NETWORK, fields=(u, v), hamiltonian=energy, bracket=canonical((u, v)), metric=metric)


SYSTEMS = (fluid, network, zoo.damped, zoo.schroedinger, zoo.gas, zoo.friction_heat, zoo.cahn_hilliard, zoo.learned)
PROGRAM = "from test_hash_seeds import record, SYSTEMS; print([record(make) for make in SYSTEMS])"


def record(make) -> str:
    d = derive(make())
    parts = [
        d.hamiltonian,
        *d.equations.values(),
        *d.multipliers.values(),
        *d.stress_energy.values(),
        *d.sources.values(),
    ]
    return "\n".join([*map(sp.srepr, parts), *map(str, d.laws), str(d.steady_state), d._repr_latex_()])


def test_three_hash_seeds_agree() -> None:
    path = os.pathsep.join([str(HERE), str(HERE.parents[1])])
    outputs = []
    for seed in ("0", "1", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
        )
        outputs.append(done.stdout)
    assert outputs[0] == outputs[1] == outputs[2]


def test_what_came_before_does_not_matter() -> None:
    alone = record(zoo.damped)
    for make in SYSTEMS[1:]:
        derive(make())
    assert record(zoo.damped) == alone
