"""Every program's way through the passes: which of them, and in what order.

What is built by ``metrigen.programs``, and by ``metrigen.integrators.scan`` for a sequence:

    functional  WRITTEN, or ON_GRAPH, as are values; PRUNED where it is a part of an energy
    gradient    ``vary`` or ``secant`` of a functional, GRADIENT; BUILT where it stands by itself
    step        STEP; then ``hoist`` splits off the prologue, what depends on parameters alone
    adjoint     ``vary`` of what is left, or of a readout; BUILT
    equation    BUILT; then ``vary.equation`` makes its products with the Jacobian and its pullback, each BUILT
    solve       SPLIT: operator and source of a linear steady state; STEADY on a graph
    values      VALUES: readout, energy, entropy, diagnostics
    token       NAMED: a step of a sequence, its prologue and its rotations

What is printed goes through KERNELS, or TOKEN for a sequence. In readouts and diagnostics (READ) sums are factored
before common subexpressions are found, and contents and masks taken out before that, as each sees what the last made.

The CPU takes what is built another way: AT_A_POINT where the one site is a point; ``rotate`` rotates the loop over the
steps, ``vary`` reverses its parts, and each goes through OWNED and KERNELS; ``partition`` makes fusion groups of it,
on which run SWEPT and, where coefficients are those of a channel, ``collect_coefficients``. What else a backend does
to a program it does last: ``backends.edge_products.edge_sums`` on a graph, ``backends.triton.plane.inlined`` in
Triton, ``backends.sequential.sequential_scan`` for a token of coupled channels. Passes prune for themselves what they
leave behind.

``METRIGEN_VERIFY=1``, which the tests set, verifies the program between any two passes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from metrigen.errors import faults
from metrigen.ir.nodes import Program
from metrigen.ir.queries import known
from metrigen.ir.verify import verify
from metrigen.passes.channels import merge_channel_maps
from metrigen.passes.contents import take_contents
from metrigen.passes.cse import cse
from metrigen.passes.factor import factor_sums
from metrigen.passes.fuse import fuse
from metrigen.passes.gather import gather_sums
from metrigen.passes.masks import name_masked
from metrigen.passes.name import name_quantities, name_stores
from metrigen.passes.partition import Partition
from metrigen.passes.points import at_a_point
from metrigen.passes.prune import prune, read_only
from metrigen.passes.rotate import own_outputs
from metrigen.passes.share import share_functions
from metrigen.passes.sink import sink_sums
from metrigen.passes.solves import share_solves

Passes = tuple[Callable[[Program], Program], ...]

WRITTEN: Passes = (prune, share_solves)
ON_GRAPH: Passes = (prune, name_quantities)
PRUNED: Passes = (prune,)
GRADIENT: Passes = (share_solves,)
BUILT: Passes = (share_solves, merge_channel_maps)
STEP: Passes = (*BUILT, name_quantities)
VALUES: Passes = (*BUILT, read_only)
SPLIT: Passes = (prune, read_only)
STEADY: Passes = (name_quantities, *SPLIT)
NAMED: Passes = (name_quantities,)

FUSED: Passes = (fuse,)  # operations are counted here, and once more at the end
SHARED: Passes = (gather_sums, cse, name_stores)
# Of what is read at the sites. In a step that stays on chip what is factored lives longer, and registers spill.
READ: Passes = (gather_sums, take_contents, name_masked, factor_sums, cse, name_stores)
KERNELS: Passes = (*FUSED, *SHARED)
TOKEN: Passes = (*KERNELS, prune)
AT_A_POINT: Passes = (at_a_point,)
OWNED: Passes = (own_outputs, *BUILT)
SWEPT: tuple[Callable[[Partition], Partition], ...] = (sink_sums, share_functions)

PASSES: Passes = tuple(dict.fromkeys((*STEP, *VALUES, *SPLIT, *TOKEN, *READ, *AT_A_POINT, *OWNED)))  # each of them once


def apply(passes: Sequence[Callable[[Program], Program]], program: Program) -> Program:
    """The program after ``passes``, one after the other. Raises InternalError at a statement of no known kind, and with
    METRIGEN_VERIFY=1 at anything that is not true of the program or that a pass leaves untrue (``ir.verify``); what a
    pass raises by mistake is one as well, and names it."""
    verifying = os.environ.get("METRIGEN_VERIFY") == "1"
    if verifying:
        verify(program)
    for run in passes:
        with faults(passed=run.__name__):
            made = run(known(program, run.__name__))
        if verifying and made is not program:
            verify(made, run.__name__)
        program = made
    return program


def optimised_groups(parts: Partition) -> Partition:
    """The fusion groups after SWEPT."""
    for run in SWEPT:
        with faults(passed=run.__name__):
            parts = run(parts)
    return parts
