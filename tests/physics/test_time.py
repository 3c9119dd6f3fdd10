"""Long, deep and coupled specs: they derive and build within one budget of counted work, or are refused by stage."""

from __future__ import annotations

import io
import time
import types
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from heavy import HEAVY, double_pendulum, hidden_units, sines, tanhs
from rich.console import Console

from metrigen import SpecError, compiler, derive
from metrigen.budget import DERIVE, TooLarge, WorkBudget, depth, limited, nodes, spend, stage
from metrigen.console import Patience
from metrigen.emit.notation import text
from metrigen.ir.interpreter import run
from metrigen.ir.nodes import Array, Kind, Load, Map, Program
from metrigen.passes import lets
from metrigen.passes.fuse import fuse
from metrigen.physics.size import expanded_nodes
from metrigen.physics.work_budget import LARGE_WRITTEN, expand
from metrigen.programs import optimise
from metrigen.spec.load import Spec, load_spec
from tests.lengths import LONG
from tests.lowered import lower

ROOT = Path(__file__).parents[2]
QUICK = ("tanh25", "sin15", "cosines80", "hidden3", "hidden4", "double_pendulum", "four_fields_3d")
BUILT = ("double_pendulum", "hidden3", "tanh25")


def spec_of(name: str) -> Spec:
    none = types.MappingProxyType({})
    return Spec("heavy.py", HEAVY[name](), "0" * 64, '"""Heavy."""\n', none, none)


def refused_as_deep(name: str) -> bool:
    return name in ("tanh60", "sin120")


@pytest.mark.parametrize("name", [n for n in HEAVY if not refused_as_deep(n)] if LONG else QUICK)
def test_a_long_spec_derives_within_its_budget(name: str) -> None:
    with limited(DERIVE) as account:
        derivation = derive(HEAVY[name]())
    assert 0 < account.spent < DERIVE
    assert derivation.equations
    assert all(law.how for law in derivation.laws)


@pytest.mark.parametrize("name", [n for n in HEAVY if not refused_as_deep(n)] if LONG else BUILT)
def test_a_long_spec_builds(name: str) -> None:
    compiled = compiler.compile_spec(spec_of(name))
    assert "reference.py" in compiled.files
    compile(compiled.files["reference.py"], "reference.py", "exec")


def test_code_is_as_long_as_the_let_form() -> None:
    """The inverse of a kinetic matrix is a value, not a text at every place where it is used."""
    files = compiler.compile_spec(spec_of("double_pendulum")).files
    assert files["kernels.cpp"].count("\n") < 2500
    assert files["reference.py"].count("\n") < 1500


def test_the_double_pendulum_reads_as_one_fraction() -> None:
    derivation = derive(double_pendulum())
    for u in derivation.system.lagrangian.atoms(sp.Function):
        if u in derivation.momenta:
            rate = derivation.equations[u]
            assert not rate.is_Add, text(rate)
            assert len(text(rate)) < 100
    fractions = [e for e in sp.Add.make_args(derivation.hamiltonian) if e.atoms(sp.cos) and sp.fraction(e)[1] != 1]
    assert len(fractions) == 1


def test_a_witness_comes_before_the_proof_that_it_spares() -> None:
    with limited(DERIVE) as account:
        steady = derive(hidden_units(4)).steady_state
    assert steady is not None
    assert not steady.convex
    assert "gives the second variation of F = -" in steady.witness
    assert account.spent < DERIVE // 4


def test_denominators_are_counted_and_kept_where_an_expansion_would_copy_them() -> None:
    a, b = sp.symbols("a0:9", positive=True), sp.symbols("b0:9", positive=True)
    expr = sp.Add(*a) ** 3 / (sp.Add(*b) ** 3 * (1 + sp.Add(*a)) ** 2)
    assert expanded_nodes(expr) > LARGE_WRITTEN
    found = expand(expr)
    assert nodes(found) < expanded_nodes(expr)
    point = {s: sp.Rational(k + 2, 7) for k, s in enumerate((*a, *b))}
    assert found.xreplace(point) == expr.xreplace(point)


@pytest.mark.parametrize("system", [tanhs(60), sines(120)], ids=["tanh", "sin"])
def test_a_deep_composition_is_refused_by_its_depth(system) -> None:
    with pytest.raises(SpecError, match="nested too deeply") as caught:
        derive(system)
    assert f"{depth(system.hamiltonian)} levels" in (caught.value.why or "")
    assert caught.value.part == "hamiltonian"
    assert caught.value.fix


def test_a_spec_that_recurs_while_it_is_written_speaks_of_depth(tmp_path: Path) -> None:
    file = tmp_path / "deep.py"
    file.write_text(
        '"""Deep."""\nimport sympy as sp\ne = sp.Symbol("u", real=True)\nfor _ in range(3000):\n    e = sp.sin(e)\n'
    )
    with pytest.raises(SpecError, match=r"nested too deeply|no `system`") as caught:
        load_spec(file)
    assert "RecursionError" not in str(caught.value)


def test_an_inner_account_is_paid_by_the_outer_one_too() -> None:
    with limited(100) as outer:
        with limited(1000) as inner:
            spend(60, "a step")
            with pytest.raises(TooLarge, match="after 60 operations, and 100 are the limit"):
                spend(60, "another step")
        assert (inner.spent, outer.spent) == (60, 60)
        assert isinstance(outer, WorkBudget)


def test_a_refusal_names_the_stage_the_size_and_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "BUILD", 3000)
    with pytest.raises(TooLarge) as caught:
        compiler.compile_spec(spec_of("double_pendulum"))
    assert "in the stage '" in (caught.value.why or "")
    assert "3000 are the limit" in (caught.value.why or "")
    assert caught.value.fix
    with stage("print"), pytest.raises(TooLarge, match="in the stage 'print' far too much"):
        raise TooLarge("far too much")


def values_of(programs: tuple[Program, ...], rank: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    shapes = {Kind.SITE: (2, 2, *(6,) * rank), Kind.CHANNEL: (2,), Kind.SCALAR: (), Kind.MATRIX: (2, 2)}
    arrays = {a.name: a for program in programs for a in program.inputs}
    return {name: 0.2 + 0.3 * np.abs(rng.normal(size=shapes[a.kind])) for name, a in arrays.items()}


VARIED = ("gallery/total_variation", "gallery/elastic_pendulum", "gallery/morse_oscillator", "gallery/thermo_wave",
          "coupled_wave")  # fmt: skip


@pytest.mark.parametrize("name", VARIED)
def test_a_variation_in_let_form_is_the_variation(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every program with all its expressions taken apart gives the numbers of the one written out."""
    derivation = derive(load_spec(ROOT / "specs" / f"{name}.py").system)
    plain = lower(derivation).programs()
    monkeypatch.setattr(lets, "LARGE", 3)
    apart = lower(derivation).programs()
    assert any(s.lets for program in apart.values() for s in program.body if isinstance(s, Map))
    rank = len(derivation.system.domain.axes)
    for program, whole in plain.items():
        given = values_of((whole, apart[program]), rank)
        wanted = run(whole, given)
        for found in (run(apart[program], given), run(optimise(apart[program])[0], given)):
            for out, value in wanted.items():
                np.testing.assert_allclose(found[out], value, rtol=1e-11, atol=1e-12)


def test_values_of_one_name_stay_apart_when_statements_are_merged() -> None:
    x, w = Load("x", (0,)), sp.Symbol("w__1", real=True)
    one = Map(stores=(("a", w * x),), lets=((w, sp.sin(x)),))
    two = Map(stores=(("b", w * x),), lets=((w, sp.cos(x)),))
    program = Program("p", (Array("x", Kind.SITE),), (one, two), ("a", "b"))
    given = {"x": np.linspace(0, 1, 5).reshape(1, 1, 5)}
    merged = fuse(program)
    assert len(merged.body) == 1
    for name, value in run(program, given).items():
        np.testing.assert_array_equal(run(merged, given)[name], value)


def test_a_terminal_is_told_the_stage_that_takes_long_and_a_pipe_is_not() -> None:
    for terminal in (True, False):
        out = io.StringIO()
        waiting = Patience(Console(file=out, force_terminal=terminal), seconds=0.01)
        waiting.begin("derive")
        time.sleep(0.3)
        waiting.end()
        assert ("  derive ..." in out.getvalue()) is terminal
        assert out.getvalue().endswith("\r\x1b[K" if terminal else "")
