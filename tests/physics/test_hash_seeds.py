"""A derivation does not depend on the hash seed nor on what was derived before it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import sympy as sp
import zoo

from metrigen import derive

HERE = Path(__file__).parent
SYSTEMS = (zoo.damped, zoo.schroedinger, zoo.gas, zoo.friction_heat, zoo.cahn_hilliard, zoo.learned)
PROGRAM = "from test_hash_seeds import record, SYSTEMS; print([record(make) for make in SYSTEMS])"


def record(make) -> str:
    d = derive(make())
    parts = [d.hamiltonian, *d.equations.values(), *d.stress_energy.values(), *d.sources.values()]
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
