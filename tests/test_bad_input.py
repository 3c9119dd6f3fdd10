"""Every way a spec can be wrong ends in one clear error: what, where as file:line, why, the way out; nothing written.

A case is a good spec with one line changed. The line that the message must point at is found by its text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from metrigen.cli import app

Snapshot = Callable[[Path], dict[str, tuple[str, int]]]

HEAD = """
import sympy as sp
from metrigen import *

x, y = sp.symbols("x y", real=True)
grid = Lattice(x, y)
"""

WAVE = (
    HEAD
    + """
phi = Field("phi", grid)
pi = momentum(phi)
c2 = Param("c2", positive=True)
gamma = Param("gamma", nonnegative=True)

system = System(
    name="wave",
    domain=grid,
    lagrangian=phi.diff(t) ** 2 / 2 - c2 * grad(phi).square / 2,
    bracket=lambda F, G: F[phi] * G[pi] - F[pi] * G[phi],
    metric=lambda F, G: gamma * F[pi] * G[pi],
    integrator=Strang(steps=2, dt=0.1),
    readout=stress_energy(),
)
"""
)

STEADY = (
    HEAD
    + """
u = Field("u", grid)
kappa = Input("kappa", grid, positive=True)
m2 = Input("m2", grid, positive=True)
s = Input("s", grid)

system = System(
    name="steady",
    domain=grid,
    fields=(u,),
    hamiltonian=kappa * grad(u).square / 2 + m2 * u**2 / 2 - s * u,
    metric=Dissipation((1, lambda F: F[u])),
    integrator=SteadyState(),
    readout=stress_energy(),
)
"""
)

# An oscillator with an internal energy e: friction heats it, H is conserved, S grows.
HEAT = """
import sympy as sp
from metrigen import *

point = Lattice()
q, p, e = Field("q", point), Field("p", point), Field("e", point)
nu = Param("nu", positive=True)

system = System(
    name="heat",
    domain=point,
    fields=(q, p, e),
    hamiltonian=p**2 / 2 + q**2 / 2 + e,
    entropy=e,
    bracket=lambda F, G: F[q] * G[p] - F[p] * G[q],
    metric=Dissipation((nu, lambda F: F[p] - p * F[e])),
    integrator=ExplicitEuler(steps=1, dt=0.01),
    readout=energy_density(),
)
"""

# Two oscillators; with the term a_t b_t added the mass matrix is singular.
PAIR = """
import sympy as sp
from metrigen import *

point = Lattice()
a, b = Field("a", point), Field("b", point)

system = System(
    name="pair",
    domain=point,
    lagrangian=a.diff(t) ** 2 / 4 + b.diff(t) ** 2 - a**2 - b**2,
    integrator=Leapfrog(steps=1, dt=0.01),
    readout=energy_density(),
)
"""

SECOND = (
    '\nother = System(name="b", domain=grid, fields=(phi,), hamiltonian=phi**2, metric=lambda F, G: F[phi] * G[phi])\n'
)


@dataclass(frozen=True)
class Bad:
    """A spec with ``old`` replaced by ``new``; the message says ``what`` and points at the line that holds ``at``."""

    name: str
    base: str
    old: str
    new: str
    what: str
    at: str | None = ""

    @property
    def source(self) -> str:
        assert self.base.count(self.old) >= 1, f"{self.old!r} is not in the base spec"
        return self.base.replace(self.old, self.new, 1)

    def line(self) -> int | None:
        """Line that the message must point at: that of ``at``, by default that of the change; None for the file."""
        if self.at is None:
            return None
        source = self.source
        position = source.index(self.at or self.new)
        return source.count("\n", 0, position) + 1


CASES = (
    # the file
    Bad("no system", WAVE, "system = System(", "wave = System(", "no `system`"),
    Bad("no system at all", HEAD, "x, y", "x, y", "no `system`", None),
    Bad("two systems", WAVE + SECOND, "x, y", "x, y", "exactly one `system`", "other ="),
    Bad("system twice", WAVE + SECOND.replace("other", "system"), "x, y", "x, y", "exactly one `system`", 'name="b"'),
    Bad("system is something else", HEAD, "grid =", "system = 3 #", "not a System"),
    Bad("syntax error", WAVE, "c2 * grad(phi)", "c2 * * grad(phi)", "syntax error"),
    Bad("unclosed bracket", WAVE, 'pi = momentum(phi)', 'pi = momentum(phi', "syntax error"),
    Bad("exception", WAVE, "pi = momentum(phi)", "pi = 1 / 0", "ZeroDivisionError"),
    Bad("unknown name", WAVE, "pi = momentum(phi)", "pi = momentun(phi)", "NameError"),
    Bad("missing import", WAVE, "import sympy as sp", "import sympy as sp, no_such_package", "ModuleNotFoundError"),
    Bad("exit", WAVE, "pi = momentum(phi)", "raise SystemExit(0)", "SystemExit"),
    Bad("exception in a late call", WAVE, "gamma * F[pi] * G[pi]", "gamma * F[pi] * G[pj]", "NameError"),
    # names
    Bad("no identifier", WAVE, 'name="wave"', 'name="my-wave"', "not an identifier"),
    Bad("not ascii", WAVE, 'Param("c2"', 'Param("c²"', "not an identifier"),
    Bad("reserved in Python", WAVE, 'Param("gamma"', 'Param("lambda"', "reserved in Python"),
    Bad("reserved in Triton", WAVE, 'Param("gamma"', 'Param("tl"', "reserved in the emitted code"),
    Bad("reserved in torch", WAVE, 'Param("gamma"', 'Param("double"', "reserved in torch"),
    Bad("reserved in torch, a field", WAVE, 'Field("phi"', 'Field("named_parameters"', "reserved in torch"),
    Bad("reserved by the module", WAVE, 'Param("gamma"', 'Param("readout"', "reserved in the emitted code"),
    Bad("same name twice", WAVE, 'Param("gamma"', 'Param("c2", per="channel"', "c2", 'Param("c2", p'),
    Bad("field and parameter", WAVE, 'Param("gamma"', 'Param("phi"', "phi", 'Field("phi"'),
    # domains
    Bad("axis of no lattice", WAVE, "Lattice(x, y)", 'Lattice(x, "y")', "axis"),
    Bad("input of another domain", STEADY, 'Input("s", grid)', 'Input("s", Lattice(sp.Symbol("z")))', "domain"),
    Bad("field of another domain", STEADY, 'Field("u", grid)', 'Field("u", Lattice(x))', "domain"),
    Bad("foreign time", STEADY, 'Field("u", grid)', 'sp.Function("u")(sp.Symbol("t"), x, y)', "not the time"),
    Bad("unknown field", WAVE, "G[pi],\n    integrator", "G[c2],\n    integrator", "not a field", "metric="),
    # laws
    Bad("symmetric bracket", WAVE, "- F[pi] * G[phi]", "+ F[pi] * G[phi]", "antisymmetr", "bracket="),
    Bad("negative metric", WAVE, "gamma * F[pi] * G[pi]", "-gamma * F[pi] * G[pi]", "metric"),
    Bad("indefinite metric", WAVE, "gamma * F[pi] * G[pi]", "gamma * (F[pi] * G[phi] + F[phi] * G[pi])", "metric"),
    Bad("unsymmetric metric", WAVE, "gamma * F[pi] * G[pi]", "gamma * F[pi] * G[phi]", "symmetric"),
    Bad("entropy is no Casimir", HEAT, "entropy=e", "entropy=e + q**2", "entropy"),
    Bad("energy is not conserved", HEAT, "F[p] - p * F[e]", "F[p]", "energy", "metric="),
    Bad("singular Lagrangian", PAIR, "b.diff(t) ** 2", "a.diff(t) * b.diff(t) + b.diff(t) ** 2", "singular",
        "lagrangian="),
    # integrators
    Bad("negative screening", STEADY, "+ m2 * u**2 / 2", "- m2 * u**2 / 2", "positive", "integrator="),
    Bad("nonlinear steady state", STEADY, "m2 * u**2 / 2", "m2 * u**4 / 4", "linear", "integrator="),
    Bad("steady state of a wave", WAVE, "Strang(steps=2, dt=0.1)", "SteadyState()", "SteadyState"),
    Bad("leapfrog, not separable", WAVE, "phi.diff(t) ** 2 / 2 -", "(1 + phi**2) * phi.diff(t) ** 2 / 2 -",
        "separable", "integrator="),
    Bad("leapfrog with friction", WAVE, "Strang(", "Leapfrog(", "Leapfrog"),
    Bad("negative steps", WAVE, "steps=2", "steps=-2", "steps"),
    Bad("dt of unknown sign", WAVE, "dt=0.1", 'dt=Param("dt")', "positive"),
    Bad("unknown solver", STEADY, "SteadyState()", 'SteadyState(solver="magic")', "solver"),
    # the rest of the vocabulary
    Bad("complex density", WAVE, "- c2 *", "- sp.I * c2 *", "complex", "lagrangian="),
    Bad("no density", WAVE, "lagrangian=", "entropy=", "lagrangian=", "system = System("),
    Bad("unknown readout", WAVE, "stress_energy()", 'stress_energy("loud")', "normalise"),
    Bad("unknown keyword", WAVE, "readout=", "read_out=", "TypeError", "system = System("),
)  # fmt: skip


def refused(folder: Path, *arguments: str) -> str:
    """Build; what was printed to stderr. The build must have failed with exit code 1 and written to stderr alone."""
    done = CliRunner().invoke(app, ["build", *arguments])
    assert done.exit_code == 1, done.output
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr
    return done.stderr


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a spec folder and an older package."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "specs").mkdir()
    (tmp_path / "generated/other").mkdir(parents=True)
    (tmp_path / "generated/other/module.py").write_text("old = True\n")
    return tmp_path


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_bad_spec_is_refused(case: Bad, home: Path, snapshot: Snapshot) -> None:
    (home / "specs/bad.py").write_text(case.source, encoding="utf-8")
    before = snapshot(home)
    message = refused(home, "specs/bad.py")
    assert snapshot(home) == before
    assert message.startswith("error: ")
    assert case.what in message
    rows = dict(re.findall(r"^  (\w+) +(.*)$", message, re.M))
    line = case.line()
    assert rows["spec"].startswith("specs/bad.py" if line is None else f"specs/bad.py:{line} "), message
    assert "why" in rows or len(message.splitlines()[0]) > len("error: ") + 10
    assert "fix" in rows, message


@pytest.mark.parametrize("base", [WAVE, STEADY, HEAT, PAIR], ids=["wave", "steady", "heat", "pair"])
def test_the_specs_are_good_before_the_change(base: str, home: Path) -> None:
    (home / "specs/good.py").write_text(base, encoding="utf-8")
    done = CliRunner().invoke(app, ["check", "specs/good.py"])
    assert done.exit_code == 0, done.stderr


def test_one_bad_spec_of_many_writes_none(home: Path, snapshot: Snapshot) -> None:
    (home / "specs/a_good.py").write_text(STEADY)
    (home / "specs/z_bad.py").write_text(STEADY.replace("- s * u,", "- s * u"))
    before = snapshot(home)
    assert "specs/z_bad.py" in refused(home, "specs")
    assert snapshot(home) == before


def test_two_specs_of_one_name(home: Path, snapshot: Snapshot) -> None:
    for name in ("one", "two"):
        (home / f"specs/{name}.py").write_text(STEADY)
    before = snapshot(home)
    message = refused(home, "specs")
    assert "two specs are called 'steady'" in message
    assert "specs/one.py" in message
    assert snapshot(home) == before


def test_a_place_that_is_taken(home: Path, snapshot: Snapshot) -> None:
    (home / "specs/good.py").write_text(STEADY)
    (home / "generated/steady").mkdir()
    (home / "generated/steady/thesis.tex").write_text("years of work")
    before = snapshot(home)
    message = refused(home, "specs/good.py")
    assert "did not write" in message
    assert "thesis.tex" in message
    assert snapshot(home) == before


@pytest.mark.parametrize(
    ("argument", "what"),
    [
        ("specs/nothing.py", "no such spec file"),
        ("nowhere", "no such spec file"),
        ("specs", "no spec file in the folder"),
        ("notes.txt", "Python file"),
        ("latin.py", "not UTF-8"),
    ],
)
def test_a_path_that_is_no_spec(home: Path, snapshot: Snapshot, argument: str, what: str) -> None:
    (home / "notes.txt").write_text("x")
    (home / "latin.py").write_bytes("ψ = 'é'".encode("latin-1", "replace"))
    before = snapshot(home)
    message = refused(home, argument)
    assert what in message
    assert re.search(rf"^  spec +{argument}", message, re.M)
    assert re.search(r"^  fix +\S", message, re.M)
    assert snapshot(home) == before


def test_the_debug_option_adds_the_traceback(home: Path) -> None:
    (home / "specs/bad.py").write_text(WAVE.replace("momentum(phi)", "1 / 0"))
    done = CliRunner().invoke(app, ["build", "specs/bad.py", "--debug"])
    assert done.exit_code == 1
    assert "Traceback" in done.stderr
    assert "error: the spec raised an exception" in done.stderr
