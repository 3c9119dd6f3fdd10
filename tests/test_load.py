"""Loading a spec file: what it gives, what it leaves behind, how an error finds its line."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrigen.errors import SpecError, StructureError
from metrigen.spec.files import shown_path
from metrigen.spec.fingerprint import fingerprint
from metrigen.spec.load import Spec, load_spec, locate, raised_in_spec
from metrigen.spec.source import quote

WAVE = '''"""A wave: φ on a ring."""
import sympy as sp

from metrigen import Field, Lattice, Leapfrog, Param, System, momentum

x, y = sp.symbols("x y", real=True)
grid = Lattice(x)
phi = Field("phi", grid)
c2, gamma = (
    Param("c2", positive=True),
    Param("gamma", nonnegative=True),
)
system = System(
    name="wave",
    domain=grid,
    lagrangian=phi.diff(sp.Symbol("t", real=True)) ** 2 / 2
    - c2 * phi.diff(x) ** 2 / 2,
    metric=lambda F, G:
        gamma * F[momentum(phi)] * G[missing],
    integrator=Leapfrog(steps=1, dt=0.1),
)
'''


@pytest.fixture
def wave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Spec:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs/wave.py").write_text(WAVE, encoding="utf-8")
    return load_spec("specs/wave.py")


def line_of(fragment: str) -> int:
    return WAVE[: WAVE.index(fragment)].count("\n") + 1


def test_a_spec_is_what_the_file_says(wave: Spec) -> None:
    assert wave.path == "specs/wave.py"
    assert wave.system.name == "wave"
    assert wave.source == WAVE
    assert wave.sha256 == fingerprint(ast.parse(WAVE))


def test_lines_of_keywords_and_symbols(wave: Spec) -> None:
    for keyword in ("name", "domain", "lagrangian", "metric", "integrator"):
        assert wave.keyword_lines[keyword] == line_of(f"    {keyword}=")
    assert wave.symbol_lines["gamma"] == line_of('Param("gamma"')
    assert wave.symbol_lines["y"] == line_of("x, y =")
    assert wave.symbol_lines["grid"] == line_of("grid =")


def test_nothing_is_left_behind(wave: Spec, tmp_path: Path) -> None:
    (tmp_path / "vandal.py").write_text("import sys\nsys.path.insert(0, 'x')\n" + WAVE, encoding="utf-8")
    before = dict(sys.modules), list(sys.path), sys.dont_write_bytecode
    load_spec("vandal.py")
    load_spec("specs/wave.py")
    assert (dict(sys.modules), list(sys.path), sys.dont_write_bytecode) == before
    assert not list(tmp_path.rglob("__pycache__"))


def test_a_file_is_run_afresh_every_time(wave: Spec) -> None:
    assert load_spec("specs/wave.py").system is not wave.system


def test_paths_are_never_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    monkeypatch.chdir(tmp_path / "a")
    assert shown_path(tmp_path / "a/deep/x.py") == "deep/x.py"
    assert shown_path(Path("../a/x.py")) == "x.py"
    assert shown_path(tmp_path / "b/x.py") == "x.py"
    assert shown_path(tmp_path / "ab/x.py") == "x.py"


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_byte_order_marks(tmp_path: Path, newline: str, mark: bytes) -> None:
    path = tmp_path / "wave.py"
    path.write_bytes(mark + WAVE.replace("\n", newline).encode())
    assert load_spec(path).keyword_lines["domain"] == line_of("    domain=")


def test_locate_by_keyword(wave: Spec) -> None:
    error = StructureError("not positive", law="metric_psd", part="metric")
    assert locate(error, wave) is error
    assert error.where == f"specs/wave.py:{line_of('    metric=')}   metric=lambda F, G:"


def test_locate_by_symbol(wave: Spec) -> None:
    error = locate(SpecError("bad parameter", part="gamma"), wave)
    assert error.where == f'specs/wave.py:{line_of("Param(" + chr(34) + "gamma")}   Param("gamma", nonnegative=True)'


def test_locate_without_a_clue_names_the_system(wave: Spec) -> None:
    assert locate(SpecError("bad", part="nowhere"), wave).where == 'specs/wave.py:14   name="wave"'


def test_a_component_named_by_the_law_stays(wave: Spec) -> None:
    error = locate(StructureError("bad", law="jacobi", part="metric", where="component pi: -gamma*pi"), wave)
    assert error.component == "component pi: -gamma*pi"
    assert dict(error.rows())["spec"].startswith("specs/wave.py:")


def test_an_exception_in_a_late_call_is_of_the_spec(wave: Spec) -> None:
    from metrigen.spec.functional import Functional

    functionals = Functional("F", ()), Functional("G", ())
    assert wave.system.metric is not None
    with pytest.raises(SpecError) as caught:
        wave.system.metric(*functionals)
    error = locate(caught.value, wave)  # our own words, raised while the lambda ran
    assert error.where is not None
    assert error.where.startswith(f"specs/wave.py:{line_of('gamma * F[')}")
    with pytest.raises(NameError) as other:
        wave.system.metric({load_momentum(wave): 1}, functionals[1])
    translated = raised_in_spec(other.value, wave)
    assert translated is not None
    assert translated.why == "NameError: name 'missing' is not defined"
    assert raised_in_spec(ValueError("ours"), wave) is None


def test_a_quoted_line_is_short() -> None:
    assert quote("a.py", "\n  x = 'a  b',  \n", 2) == "a.py:2   x = 'a  b'"
    assert quote("a.py", "x = " + "(" * 500, 1).endswith("(( ...")
    assert len(quote("a.py", "x" * 500, 1)) < 140
    assert quote("a.py", "x\n", 7) == "a.py:7"


def load_momentum(spec: Spec) -> object:
    from sympy.core.function import AppliedUndef

    from metrigen.spec.symbols import momentum

    assert spec.system.lagrangian is not None
    return momentum(next(iter(spec.system.lagrangian.atoms(AppliedUndef))))


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_give_a_spec_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "spec.py"
    path.write_bytes(data)
    with pytest.raises(SpecError) as caught:
        load_spec(path)
    assert caught.value.where is not None
    assert caught.value.where.startswith("spec.py")
