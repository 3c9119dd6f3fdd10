"""A kind of statement that is not known is an error wherever it is met: it is never free, and never skipped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import pytest
import sympy as sp

from metrigen.backends.cpu import scan as cpu_scan
from metrigen.backends.cpu.group import group
from metrigen.backends.sequential import sequential_scan
from metrigen.backends.torch.graph import print_graph_function
from metrigen.backends.torch.printer import print_function
from metrigen.backends.triton import scan as triton_scan
from metrigen.backends.triton.evolve import print_evolution
from metrigen.backends.triton.plane import Neighbours, neighbours_of, plane_functions
from metrigen.backends.triton.printer import print_kernels
from metrigen.discretise.graph_laws import Written
from metrigen.errors import InternalError
from metrigen.ir.interpreter import run
from metrigen.ir.nodes import Array, Kind, Load, Map, Program
from metrigen.ir.queries import couples_channels, maps_in
from metrigen.ir.statement import Statement, defines, reads
from metrigen.ir.verify import verify
from metrigen.layers.counts import bytes_per_site, stencil_points
from metrigen.package.cost import program_cost
from metrigen.package.linear import respond
from metrigen.passes import pipeline
from metrigen.passes.cse import count_ops
from metrigen.passes.hoist import hoist
from metrigen.passes.partition import partition
from metrigen.passes.rotate import rotate
from metrigen.passes.secant import followed, secant
from metrigen.passes.vary import vary
from metrigen.programs import optimise, passed

NEAR = Neighbours((), (), 1, True)


@dataclass(frozen=True)
class Alien(Statement):
    """out[n] = src[-n], which nobody has heard of."""

    out: Annotated[str, defines(Kind.SITE)]
    src: Annotated[str, reads(Kind.SITE)]


def alien() -> Program:
    half = Map(stores=(("half", Load("u", (0,)) / 2),))
    return Program("p", (Array("u", Kind.SITE),), (half, Alien("back", "half")), ("back",))


WHO: dict[str, Callable[[Program], object]] = {
    "interpreter": lambda p: run(p, {"u": np.ones((1, 1, 4))}),
    "verifier": verify,
    "maps_in": lambda p: maps_in(p, "maps_in"),
    "couples_channels": couples_channels,
    "count_ops": count_ops,
    "bytes_per_site": bytes_per_site,
    "stencil_points": stencil_points,
    "cost model": lambda p: program_cost("p", p, 3),
    "linear response": lambda p: respond(p, ("u",)),
    "vary": lambda p: vary(p, ["u"], rank=1),
    "secant": lambda p: secant(p, ["u"], 1, "hamiltonian"),
    "difference quotient": lambda p: followed(p, ["u"], "hamiltonian"),
    "hoist": lambda p: hoist(p, ["u"]),
    "rotate": lambda p: rotate(p, ["u"]),
    "cut": partition,
    "fuse": passed,
    "optimise": optimise,
    "torch printer": lambda p: print_function(p, 1),
    "torch printer of graphs": lambda program: print_graph_function(program, "step"),
    "programs of a graph written out": lambda p: Written({"u": sp.Symbol("u")}).out(p),
    "Triton kernels": lambda p: print_kernels(p, 1),
    "Triton planes": lambda p: plane_functions(p, "p", NEAR),
    "neighbours_of": lambda p: neighbours_of([p], 1, True),
    "Triton evolution": lambda p: print_evolution(p, p, ("u",), NEAR),
    "Triton tokens": triton_scan.print_pointwise,
    "C++ tokens": cpu_scan.print_pointwise,
    "C++ sweeps": lambda p: group("p", p.inputs, {"p": p}, {}),
    "token of coupled channels": sequential_scan,
    **{f"pass {run.__name__}": (lambda p, run=run: pipeline.apply((run,), p)) for run in pipeline.PASSES},
}  # fmt: skip


@pytest.mark.parametrize("who", WHO)
def test_an_unknown_statement_is_an_error(who: str) -> None:
    with pytest.raises(InternalError, match=r"(?s)has no rule for the statement Alien: Alien\(.*please report"):
        WHO[who](alien())


@pytest.mark.parametrize("who", WHO)
def test_it_is_the_statement_that_is_refused(who: str) -> None:
    """Without it nobody raises InternalError."""
    made = alien()
    WHO[who](replace(made, body=made.body[:1], outputs=("half",)))
