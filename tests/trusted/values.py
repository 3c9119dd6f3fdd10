"""Values of a derivation at fixed points, to 30 digits: ``python -m tests.trusted.values specs/maze.py`` prints them.

Every atom (field, derivative, channel map, map along edges, parameter) takes a rational value that depends on its name
alone, so a value changes only if the mathematics does. The files beside this one were checked by hand and are never
written by a program.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.physics.derivation import Derivation
from metrigen.physics.derive import derive
from metrigen.physics.incidence import MAPS
from metrigen.spec.load import load_spec
from metrigen.spec.symbols import mix, total

DIGITS = 30


def value_of(atom: sp.Basic) -> sp.Rational:
    """A rational in (1/2, 3/2) from the name of an atom."""
    number = int(hashlib.sha256(str(atom).encode()).hexdigest()[:12], 16)
    return sp.Rational(1, 2) + sp.Rational(number, 16**12)


def outermost(expr: sp.Basic) -> list[sp.Basic]:
    if isinstance(expr, (sp.Derivative, AppliedUndef, mix, total, *MAPS)) or expr.is_Symbol:
        return [expr]
    return [atom for arg in expr.args for atom in outermost(arg)]


def digits(expr: sp.Expr) -> str:
    values = {atom: value_of(atom) for atom in outermost(expr)}
    return str(sp.N(sp.sympify(expr).xreplace(values), DIGITS))


def trusted_values(derivation: Derivation) -> dict[str, str]:
    """Name of a result -> its value: H, every equation, every component of the stress-energy tensor."""
    found = {"H": digits(derivation.hamiltonian)}
    found |= {f"{u}_t": digits(rate) for u, rate in derivation.equations.items()}
    found |= {f"T^{mu}_{nu}": digits(e) for (mu, nu), e in derivation.stress_energy.items()}
    return found


def of_file(path: Path) -> dict[str, str]:
    return trusted_values(derive(load_spec(path).system))


if __name__ == "__main__":
    print(json.dumps(of_file(Path(sys.argv[1])), indent=2))
