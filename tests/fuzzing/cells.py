"""The cells of the fuzzer: a domain, its wall, a method and a feature of the language."""

from __future__ import annotations

import random
from dataclasses import dataclass

LATTICES = {"point": 0, "line": 1, "plane": 2, "box": 3}
WALLS = ("periodic", "zero", "neumann")
EXPLICIT = ("ExplicitEuler", "RK4")
SYMPLECTIC = ("SymplecticEuler", "Leapfrog", "Strang")
IMPLICIT = ("ImplicitMidpoint", "AverageVectorField", "DiscreteGradient")
STEADY = ("cg", "monotone", "newton")
# Features of lattices; those of graphs and sequences are among them or stand after the bar.
COMMON = ("plain", "channels", "inputs", "site", "functions", "damped", "pair")
ON_LATTICES = (*COMMON, "gradients", "orders", "harmonic", "spacing", "poisson", "entropy", "learned", "constraint",
               "symmetry", "weights")  # fmt: skip
ON_GRAPHS = (*COMMON, "edges", "gradients")
ON_SEQUENCES = ("plain", "constant", "inputs", "functions", "single", "coupled")
SPATIAL = {"gradients", "orders", "harmonic", "spacing", "constraint"}
NOT_IMPLICIT = {"learned", "constraint"}
SYMPLECTIC_FEATURES = set(ON_LATTICES) - {"poisson", "entropy", "constraint", "weights"}
STEADY_FEATURES = {"plain", "inputs", "harmonic", "spacing", "site"}


@dataclass(frozen=True)
class Cell:
    """One place of the coverage table."""

    domain: str
    wall: str
    method: str
    feature: str

    def __str__(self) -> str:
        return " ".join((self.domain, self.wall, self.method, self.feature))


def cells() -> tuple[Cell, ...]:
    """Every cell that the language can fill, in an order that spreads the first few over all of them."""
    found = [
        Cell(domain, wall, method, feature)
        for domain in LATTICES
        for wall in (WALLS if LATTICES[domain] else WALLS[:1])
        for method in (*EXPLICIT, *SYMPLECTIC, *IMPLICIT, *STEADY)
        for feature in ON_LATTICES
        if _possible(domain, method, feature)
    ]
    found += [
        Cell("graph", "none", method, feature)
        for method in (*EXPLICIT, *SYMPLECTIC, "cg")
        for feature in ON_GRAPHS
        if (method != "cg" or feature in ("plain", "inputs", "site", "edges"))
        and (feature != "damped" or method in ("Strang", *EXPLICIT))
    ]
    found += [Cell("sequence", "none", "Exponential", feature) for feature in ON_SEQUENCES]
    random.Random(0).shuffle(found)
    return tuple(found)


def _possible(domain: str, method: str, feature: str) -> bool:
    if feature in SPATIAL and domain == "point":
        return False
    if feature == "constraint" and (domain == "box" or method not in EXPLICIT):
        return False
    if method in IMPLICIT and (feature in NOT_IMPLICIT or (method == "AverageVectorField" and feature == "entropy")):
        return False
    if method in SYMPLECTIC:
        return feature in SYMPLECTIC_FEATURES and not (method != "Strang" and feature == "damped")
    if method in STEADY:
        return feature in STEADY_FEATURES and not (domain == "point" and method == "monotone")
    return True
