"""Every law is broken in the code once, and a truth about it is seen to fail: the checks do decide something."""

from __future__ import annotations

import importlib
import re
from typing import Any

import pytest

from metrigen import Field, Graph, MetrigenError, Param, StructureError, System, derive, mix
from metrigen.discretise.arrays import dynamics
from metrigen.discretise.graph_laws import graph_laws
from metrigen.ir.nodes import Program
from metrigen.passes import channels
from tests.conftest import ROOT
from tests.mutants import MUTANTS, Mutant, on_lattice, system, u, v

_PARTS = ("physics", "discretise", "integrators")  # that name laws


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: f"{m.law}-{m.where.split(':')[1]}")
def test_a_broken_law_is_noticed(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant.truth()
    module, path = mutant.where.split(":")
    *owners, name = path.split(".")
    target: Any = importlib.import_module(module)
    for owner in owners:
        target = getattr(target, owner)
    monkeypatch.setattr(target, name, mutant.by)
    with pytest.raises((AssertionError, MetrigenError, pytest.fail.Exception)):
        mutant.truth()


MIXED = Param("K", shape=("C", "C"))


def through_channels(F, G):
    """J = [[0, K], [-K^T, 0]]."""
    return F[u] * mix(MIXED, G[v]) - G[u] * mix(MIXED, F[v])


@pytest.mark.parametrize("domain", ["lattice", "graph"])
def test_a_pass_that_breaks_a_law_is_noticed(domain: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Laws are those of what is emitted: here the pass that merges channel maps takes every matrix for symmetric."""
    if domain == "lattice":
        laws = lambda: on_lattice(system((u, v), u**2 + v**2, bracket=through_channels))
    else:
        a, b = (Field(name, Graph()) for name in "ab")
        made = System("s", Graph(), (a, b), hamiltonian=a**2 + b**2, bracket=lambda F, G: (
            F[a] * mix(MIXED, G[b]) - G[a] * mix(MIXED, F[b])))  # fmt: skip
        laws = lambda: graph_laws(dynamics(derive(made)))
    assert {law.verdict for law in laws()} == {"proved"}
    start = channels._Merger.__init__

    def symmetric(self, program: Program) -> None:
        start(self, program)
        self.symmetry = dict.fromkeys(self.symmetry, 1)

    monkeypatch.setattr(channels._Merger, "__init__", symmetric)
    with pytest.raises(StructureError, match=r"is not the derived one|breaks"):
        laws()


def test_no_law_is_left_out() -> None:
    """The names of laws in the sources, and those that a mutant breaks."""
    text = "\n".join(f.read_text() for part in _PARTS for f in (ROOT / "metrigen" / part).glob("*.py"))
    named = re.findall(
        r'(?:Law\(|identity\(|degeneracy\(|law=|NAME = |ENERGY, DEGENERACY = |,\s+)"((?:lattice_)?[a-z_]+)"', text
    )
    laws = {name for name in named if name in LAWS or name.startswith("lattice_")}
    assert laws == LAWS == {mutant.law for mutant in MUTANTS}


LAWS = {
    "antisymmetry", "casimir", "constraint", "contraction", "learned_function", "energy_degeneracy",
    "entropy_degeneracy", "jacobi", "legendre", "metric_psd",
    "metric_symmetry", "noether", "step_contraction", "volume", "well_posed",
    "lattice_antisymmetry", "lattice_casimir", "lattice_energy", "lattice_entropy_degeneracy", "lattice_jacobi",
    "lattice_metric_psd", "lattice_metric_symmetry", "lattice_noether", "lattice_volume",
}  # fmt: skip
