"""What is not refused and not right either is told: on stderr, with its line, 80 columns wide; --strict refuses it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import sympy as sp
from typer.testing import CliRunner

from metrigen import Field, Lattice, Param, SpecError, Strang, System, derive, grad, t
from metrigen.cli import app
from metrigen.physics.declared import check_declared
from metrigen.physics.limits import AMPLITUDE, amplitude_limit
from tests.lengths import spread
from tests.test_bad_input import STEADY, WAVE
from tests.test_mistakes import POINT

Snapshot = Callable[[Path], dict[str, tuple[str, int]]]

GAS = """
import sympy as sp
from metrigen import *

x = sp.Symbol("x", real=True)
line = Lattice(x)
n = Field("n", line)

system = System(
    name="gas",
    domain=line,
    fields=(n,),
    hamiltonian=DENSITY,
    metric=Dissipation((1, lambda F: F[n])),
    integrator=ExplicitEuler(steps=1, dt=0.01),
    readout=energy_density(),
)
"""


@dataclass(frozen=True)
class Told:
    """``base`` with ``old`` replaced by ``new``; the warning says ``what`` and ``fix`` and points at ``at``."""

    base: str
    old: str
    new: str
    what: str
    fix: str
    at: str


LEARNED = 'dt=Param("dt", positive=True, init=0.1)'
TOLD = {
    "dt above its limit": Told(WAVE, "dt=0.1", "dt=3", "dt = 3 is above the step limit 0.7071 at the declared start",
                               "dt below 0.7071", "integrator="),
    "learned dt": Told(WAVE, "dt=0.1", LEARNED, "dt is learned and nothing keeps dt below its step limit",
                       'Param("dt", positive=True, below=', "integrator="),
    "learned dt, bound above the limit": Told(WAVE, "dt=0.1", LEARNED.replace("init", "below=5, init"),
                                              "dt is kept below 5, not below its step limit", "below=", "integrator="),
    "metric forgotten": Told(WAVE, "    metric=lambda F, G: gamma * F[pi] * G[pi],\n", "",
                             "the parameter gamma is declared and not used", "was metric= forgotten?", "gamma = Param"),
    "input forgotten": Told(STEADY, " - s * u", "", "the input s is declared and not used", "use s", 's = Input("s"'),
    "integer division": Told(POINT, "a * u**2 / 2", "1 // 2 * a * u**2", "the parameter a is declared and not used",
                             "use a", "a = Param"),
    "root": Told(GAS, "DENSITY", "sp.sqrt(n)", "hamiltonian= has a value only where n > 0", "start it",
                 "hamiltonian="),
    "half power": Told(GAS, "DENSITY", "n**sp.Rational(3, 2)", "has a value only where n >= 0", "start it", "hamilton"),
    "logarithm": Told(GAS, "DENSITY", "n * sp.log(n)", "has a value only where n > 0", "start it", "hamiltonian="),
    "logarithm of a slope": Told(GAS, "DENSITY", "n.diff(x)**2 - sp.log(2 + n.diff(x))", "only where n_x + 2 > 0",
                                 "start it", "hamiltonian="),
}  # fmt: skip

COMMANDS = (["build", "spec.py"], ["check", "spec.py"], ["show", "spec.py"])
WHOLE = spread(TOLD, 5)  # tried with all commands; the others are built, and checked strictly


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", TOLD)
def test_a_warning_has_its_line_reason_and_cure(name: str, home: Path, snapshot: Snapshot) -> None:
    case = TOLD[name]
    assert case.old in case.base
    source = case.base.replace(case.old, case.new, 1)
    (home / "spec.py").write_text(source, encoding="utf-8")
    line = source[: source.index(case.at)].count("\n") + 1
    seen = set()
    for command in COMMANDS if name in WHOLE else COMMANDS[:1]:
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 0, done.stderr
        assert max(map(len, done.stderr.splitlines())) <= 80
        seen.add(done.stderr)
        (warning,) = done.stderr.split("warning: ")[1:]
        told = " ".join(warning.split())
        assert case.what in told
        assert f"spec spec.py:{line} " in told
        assert " why " in told
        assert case.fix in told[told.index(" fix ") :]
    assert len(seen) == 1
    files = [file for file in (home / "generated").rglob("*.*") if file.suffix in (".py", ".md", ".cpp", ".json")]
    headers = [file.read_text(encoding="utf-8") for file in files]
    assert any(case.what[:30] in " ".join(text.replace("# ", " ").split()) for text in headers)
    assert not any(re.search(r"WARNING.*spec\.py:\d", text) for text in headers)
    before = snapshot(home)
    for command in COMMANDS if name in WHOLE else COMMANDS[1:2]:
        done = CliRunner().invoke(app, [*command, "--strict", *(["--out", "other"] if command[0] == "build" else [])])
        assert done.exit_code == 1
        assert "error: 1 warning, and --strict makes warnings errors" in done.stderr
    assert snapshot(home) == before


SMOOTH = GAS.replace("DENSITY", "n**2 + sp.sqrt(1 + n**2) + sp.sqrt(n**2)")


@pytest.mark.parametrize("base", [WAVE, STEADY, POINT, SMOOTH], ids=["wave", "steady", "point", "gas"])
def test_what_is_right_passes_strict(base: str, home: Path) -> None:
    (home / "spec.py").write_text(base, encoding="utf-8")
    done = CliRunner().invoke(app, ["check", "spec.py", "--strict"])
    assert done.exit_code == 0, done.stderr
    assert done.stderr == ""


@pytest.mark.parametrize("place", ["density", "metric", "dt"])
def test_a_symbol_that_nobody_declared_is_refused_by_build_and_derived(place: str, home: Path) -> None:
    old, new = {
        "density": ("c2 * grad", "c3 * grad"),
        "metric": ("gamma * F[pi]", "gama * F[pi]"),
        "dt": ("dt=0.1", "dt=dt1"),
    }[place]
    symbol = {"density": "c3", "metric": "gama", "dt": "dt1"}[place]
    source = WAVE.replace(old, new).replace("system =", f'{symbol} = sp.Symbol("{symbol}", positive=True)\nsystem =', 1)
    (home / "spec.py").write_text(source, encoding="utf-8")
    for command in ("build", "check"):
        done = CliRunner().invoke(app, [command, "spec.py"])
        assert done.exit_code == 1
        assert f"error: the symbol {symbol} is declared nowhere" in done.stderr
        assert f"{symbol} = Param('{symbol}')" in done.stderr
        if place != "dt":
            assert f"did you mean {'c2' if place == 'density' else 'gamma'}?" in done.stderr
    assert CliRunner().invoke(app, ["show", "spec.py"]).exit_code == 0


@pytest.mark.parametrize("name", ["lambda", "half", "a\nb", "\N{GREEK SMALL LETTER GAMMA}"])
def test_no_symbol_is_to_be_declared_by_a_name_that_would_be_refused(name: str) -> None:
    u = Field("u", Lattice())
    symbol = sp.Symbol(name, real=True)
    with pytest.raises(SpecError, match="symbol name") as told:
        check_declared(System("s", Lattice(), lagrangian=u.diff(t) ** 2 / 2 - symbol * u**2))
    assert "Param(" not in str(told.value)


x, y = sp.symbols("x y", real=True)
grid = Lattice(x, y)
phi = Field("phi", grid)
c2, m2, lam = (Param(name, nonnegative=True) for name in ("c2", "m2", "lam"))


def wave(potential: sp.Expr) -> System:
    density = phi.diff(t) ** 2 / 2 - c2 * grad(phi).square / 2 - potential
    return System("wave", grid, lagrangian=density, integrator=Strang(steps=1, dt=0.01))


@pytest.mark.parametrize(
    ("potential", "squared"),
    [
        (m2 * phi**2 / 2, 8 * c2 + m2),
        (m2 * phi**2 / 2 + lam * phi**4 / 4, 8 * c2 + m2 + 3 * lam * AMPLITUDE**2),
        (phi**3 / 3, 8 * c2 + 2 * AMPLITUDE),
        (-m2 * phi**2 / 2 + lam * phi**6 / 6, 8 * c2 + 5 * lam * AMPLITUDE**4),
        (m2 * (1 - sp.cos(phi)), 8 * c2 + m2),
        (sp.exp(phi), None),
        (lam * grad(phi).square ** 2 / 4, None),
    ],
)
def test_the_limit_at_an_amplitude(potential: sp.Expr, squared: sp.Expr | None) -> None:
    limit = amplitude_limit(derive(wave(potential)))
    if squared is None:
        assert limit is None
    else:
        assert limit is not None
        assert sp.expand(4 / limit**2 - squared) == 0


def test_show_says_about_which_state_the_limit_speaks(home: Path) -> None:
    (home / "spec.py").write_text(WAVE.replace("c2 * grad(phi).square / 2", "c2 * grad(phi).square / 2 - phi**4 / 4"))
    text = " ".join(CliRunner().invoke(app, ["show", "spec.py"]).stdout.split())
    assert "The step limit is that of the von Neumann analysis about phi = 0, pi_phi = 0." in text
    assert "dt_max = 2/sqrt(8*c2 + 3*amplitude**2)" in text
    (home / "spec.py").write_text(WAVE)
    text = " ".join(CliRunner().invoke(app, ["show", "spec.py"]).stdout.split())
    assert "The step limit holds at every state: it does not depend on the fields." in text
    (home / "spec.py").write_text(GAS.replace("DENSITY", "sp.sqrt(n)"))
    assert "dt_max" not in CliRunner().invoke(app, ["show", "spec.py"]).stdout
