"""A program with a fault is found out, by what is wrong with it and by the pass that made it."""

from __future__ import annotations

import pytest
import sympy as sp

from metrigen import Field, Input, Lattice, Strang, System, derive, energy_density, momentum, t
from metrigen.errors import InternalError
from metrigen.ir.edges import Along, EdgeMap
from metrigen.ir.nodes import (
    Accumulate,
    Array,
    Cayley,
    ChannelMatmul,
    Inside,
    Kind,
    Load,
    Map,
    ParameterExpression,
    Program,
    Solve,
    Statement,
)
from metrigen.ir.verify import verify
from metrigen.passes import pipeline
from tests.lowered import lower

u, ahead = Load("u", (0,)), Load("u", (1,))
c, value, other = sp.symbols("c value other", real=True)
INPUTS = (Array("u", Kind.SITE), Array("c", Kind.CHANNEL), Array("h", Kind.SCALAR), Array("K", Kind.MATRIX))


def program(*body: Statement, outputs: tuple[str, ...] = ("a",), inputs: tuple[Array, ...] = INPUTS) -> Program:
    return Program("p", inputs, body, outputs)


def store(expr: sp.Expr, name: str = "a", **more: object) -> Map:
    return Map(stores=((name, expr),), **more)  # type: ignore[arg-type]


FAULTS: dict[str, tuple[Program, str]] = {
    "stray array": (program(store(Load("v", (0,)))), "reads 'v' in its Map, which nothing defines before"),
    "too early": (program(store(Load("b", (0,))), store(u, "b")), "reads 'b' in its Map, which nothing defines before"),
    "stray parameter": (program(store(u * sp.Symbol("k", real=True))), "reads 'k' in its Map"),
    "stray term": (program(Accumulate("a", Kind.SCALAR, ("s",))), "reads 's' in its Accumulate"),
    "lost output": (program(outputs=("lost",)), "puts out 'lost', which nothing defines"),
    "defined twice": (program(store(u), store(u)), "defines 'a' twice, last by its Map"),
    "an input again": (program(store(u, "u"), store(u)), "defines 'u' twice, last by its Map"),
    "two inputs": (program(store(u), inputs=(*INPUTS, INPUTS[0])), "defines 'u' twice, last by its inputs"),
    "no kind": (program(ParameterExpression("a", "channel", c)), "as 'channel', which is no kind"),  # type: ignore[arg-type]
    "rank": (program(store(u + Load("u", (0, 1)))), r"at \(0, 1\), and other places have another rank"),
    "rank of an indicator": (program(store(u), store(Inside((1, 0)), "b")), "have another rank"),
    "matrix": (
        program(ChannelMatmul("a", "c", "u")),
        "reads 'c' as the matrix of its ChannelMatmul, a CHANNEL and no MATRIX",
    ),
    "site": (program(ChannelMatmul("a", "K", "c")), "reads 'c' as the src of its ChannelMatmul, a CHANNEL and no SITE"),
    "scale": (program(Cayley("a", "K", "c")), "reads 'c' as the scale of its Cayley, a CHANNEL and no SCALAR"),
    "edges": (
        program(EdgeMap("d", Along.DIFFERENCE, "u"), store(Load("d", (0,)))),
        "reads 'd' in its Map over SITE, a EDGE",
    ),
    "nodes": (program(store(u, over=Kind.EDGE)), "reads 'u' in its Map over EDGE, a SITE"),
    "a field as a parameter": (program(store(sp.Symbol("u", real=True))), "reads 'u' in its Map as a parameter"),
    "a parameter as a field": (program(store(Load("c", (0,)))), "reads 'c' in its Map over SITE, a CHANNEL"),
    "in an operator": (program(Solve("a", Load("a", (0,)) * Load("k", (0,)), "u", False)), "reads 'k' in its Solve"),
    "two symbols": (
        program(store(u + Load("u", (0,), positive=True))),
        "reads 'u' as two symbols, of which one is positive",
    ),
    "value used early": (
        program(store(value, lets=((value, 2 * other), (other, u)))),
        "uses other before it is named, in the value value",
    ),
    "value named twice": (program(store(value, lets=((value, u), (value, c * u)))), "names the value value twice"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_faults(name: str) -> None:
    wrong, what = FAULTS[name]
    with pytest.raises(InternalError, match=rf"(?s)the program p behind the pass fuse .*{what}.*please report"):
        verify(wrong, "fuse")


def test_a_sound_program_passes() -> None:
    named = sp.Symbol("a", real=True)  # a value may bear the name that it is stored under
    verify(
        program(
            ParameterExpression("k", Kind.CHANNEL, c * sp.Symbol("h", real=True)),
            Map((("a", named),), (("s", Kind.CHANNEL, named * Inside((1,)) * ahead),), ((named, c * u),)),
            ChannelMatmul("m", "K", "a"),
            Solve("psi", c * Load("psi", (0,)) - Load("psi", (1,)), "m", True),
            Accumulate("c__bar", Kind.CHANNEL, ("s", "k")),
            outputs=("a", "psi", "c__bar", "u"),
        )
    )  # fmt: skip


def forgetful(program: Program) -> Program:
    return Program(program.name, program.inputs, program.body[1:], program.outputs)


def test_a_positive_input_is_one_symbol_in_force_and_friction() -> None:
    """Two of one name are loaded twice, which C++ refuses."""
    point = Lattice()
    q, g = Field("q", point), Input("g", point, positive=True)
    p = momentum(q)
    system = System("both", point, lagrangian=q.diff(t) ** 2 / 2 - g * q**2, metric=lambda F, G: g * F[p] * G[p],
                    integrator=Strang(2, 0.1), readout=energy_density())  # fmt: skip
    verify(lower(derive(system)).step.body)


def test_the_pass_that_breaks_a_program_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """In tests between any two passes; a build verifies what it prints."""
    made = program(store(u, "b"), store(Load("b", (1,))))
    with pytest.raises(InternalError, match="behind the pass forgetful reads 'b'"):
        pipeline.apply((forgetful, *pipeline.KERNELS), made)
    monkeypatch.setenv("METRIGEN_VERIFY", "0")
    assert pipeline.apply((forgetful,), made) == forgetful(made)
