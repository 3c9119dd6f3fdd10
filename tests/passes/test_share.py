"""What one stage of a sweep has evaluated is read by the next ones, and every value stays."""

from __future__ import annotations

import numpy as np
import sympy as sp

from metrigen.ir.interpreter import run
from metrigen.ir.nodes import Array, ChannelSum, Kind, Load, Map, Program, Statement
from metrigen.passes.partition import FusionGroup, Partition, partition
from metrigen.passes.share import share_functions

u, h, s, v, w = (Load(name, ()) for name in "uhsvw")
INPUTS = (Array("u", Kind.SITE),)


def cut_of(*body: Statement) -> tuple[Program, Partition]:
    program = Program("test", INPUTS, body, ("end",))
    found = partition(program)
    assert found is not None
    return program, found


def functions(parts: Partition) -> list[int]:
    """Functions in every statement of the one sweep."""
    (part,) = parts.parts
    assert isinstance(part, FusionGroup)
    return [sum(len(e.atoms(sp.Function)) for e in x.expressions) if isinstance(x, Map) else 0 for x in part.statements]


def values(program: Program, parts: Partition) -> np.ndarray:
    (part,) = parts.parts
    assert isinstance(part, FusionGroup)
    given = {"u": np.array([[0.3, -1.2, 0.7], [2.0, 0.1, -0.4]])}
    after = Program("after", program.inputs, part.statements, program.outputs)
    return np.asarray(run(after, given)["end"])


def test_a_function_is_evaluated_once() -> None:
    """Of what is read, and of what an earlier stage has stored beside it; the second time both are read."""
    value = sp.Symbol("v", real=True)
    program, before = cut_of(
        Map(lets=((value, u**2),), stores=(("v", value), ("h", sp.cos(u)), ("w", sp.sin(value)))),
        ChannelSum("s", "h"),
        Map(stores=(("end", s * sp.cos(u) + sp.sin(v) * sp.exp(u) + w),)),
    )
    after = share_functions(before)
    assert functions(before) == [2, 0, 3]
    assert functions(after) == [2, 0, 1]
    assert np.array_equal(values(program, after), values(program, before))
    assert share_functions(after) == after


def test_what_is_another_function_or_another_array_stays() -> None:
    program, before = cut_of(
        Map(stores=(("h", sp.cos(u)), ("v", sp.sin(u) + 1))),
        ChannelSum("s", "h"),
        Map(stores=(("end", s * sp.sin(u) + sp.cos(v) + sp.cos(2 * u)),)),
    )
    after = share_functions(before)
    assert functions(after) == functions(before)
    assert np.array_equal(values(program, after), values(program, before))


def test_a_sweep_of_one_stage_is_left_alone() -> None:
    _, before = cut_of(Map(stores=(("h", sp.cos(u)), ("end", h * 2))))
    assert share_functions(before) is before or share_functions(before) == before
